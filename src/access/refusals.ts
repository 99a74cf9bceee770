/** Why a caller was turned away; a label of the metrics. */
export type Refusal = "no_credentials" | "password" | "token" | "jwt" | "certificate" | "throttled";

export interface RefusalsOptions {
  /** Counts each one. */
  readonly count: (reason: Refusal) => void;
  readonly log: { warn(fields: object, message: string): void };
  readonly nowMs: () => number;
}

/** At most one line for each reason in so long: whoever guesses passwords must not fill the log. */
const LINE_MS = 60_000;

/** Tells the operator of callers that were turned away: each in the metrics, and all together in few lines of the log. */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #lines = new Map<Refusal, { untilMs: number; unsaid: number }>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  note(reason: Refusal, address: string): void {
    const { count, log, nowMs } = this.#options;
    count(reason);
    const line = this.#lines.get(reason) ?? { untilMs: 0, unsaid: 0 };
    this.#lines.set(reason, line);
    if (nowMs() < line.untilMs) {
      line.unsaid++;
      return;
    }
    log.warn(
      { reason, address, ...(line.unsaid > 0 ? { beforeUnsaid: line.unsaid } : {}) },
      "a caller was turned away; more for this reason are not logged for a minute",
    );
    line.unsaid = 0;
    line.untilMs = nowMs() + LINE_MS;
  }
}
