import { setTimeout as sleep } from "node:timers/promises";
import { type Backoff, backoffMs } from "../base/backoff.ts";
import { type ConflictClass, conflictClass } from "../duck/conflicts.ts";
import { EiderError } from "../errors.ts";

/**
 * Whose transaction it is. `flush`; `ensure`: makes what is missing and leaves what is there (CREATE … IF NOT EXISTS, a
 * fence, the lease); `define`: any other CREATE, ALTER or DROP; `housekeeping`; `direct`: a client's own, which knows alone what it
 * read before it wrote.
 */
export const COMMITTERS = ["flush", "ensure", "define", "housekeeping", "direct"] as const;
export type Committer = (typeof COMMITTERS)[number];

export interface RetryRow extends Backoff {
  /** `rebase`: what is known of the lake's tables is forgotten, so that the next attempt reads what the other one made. */
  readonly before: "nothing" | "rebase";
  /** How often at most, counted by class; 0: the client is told (ABORTED). */
  readonly most: number;
}

const again: RetryRow = { before: "nothing", firstMs: 20, greatestMs: 2_000, most: 8 };
const anew: RetryRow = { ...again, before: "rebase" };
const never: RetryRow = { ...again, most: 0 };

/** THE table of what follows a conflict. Each attempt begins from its first statement, in a new transaction. */
export const RETRIES: Readonly<Record<Committer, Readonly<Record<ConflictClass, RetryRow>>>> = {
  // Reads all that it needs anew, and waits for no one who could decide otherwise.
  flush: { now: again, rebase: anew, final: anew },
  // Several nodes make one thing at once: all but one see it when they look again.
  ensure: { now: again, rebase: anew, final: anew },
  define: { now: again, rebase: anew, final: never },
  // Its work is thrown away each time and is due again at the next look; the writer goes first.
  housekeeping: {
    now: { ...again, firstMs: 200, greatestMs: 5_000, most: 4 },
    rebase: { ...anew, firstMs: 500, most: 1 },
    final: never,
  },
  direct: { now: never, rebase: never, final: never },
};

export interface RetriesOptions {
  /** See `RetryRow.before`. */
  readonly rebase: () => void;
  /** Told of each conflict, also of those that are not tried again. */
  readonly onConflict: (committer: Committer, kind: ConflictClass) => void;
  /** Rejects when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface Attempts {
  readonly onConflict?: (kind: ConflictClass) => void;
  /** Ends the wait for the next attempt: the conflict is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs transactions again that another committer has made void. */
export class Retries {
  readonly #options: RetriesOptions;

  constructor(options: RetriesOptions) {
    this.#options = options;
  }

  /** `attempt` is a whole transaction. Throws its last `write_conflict`, and anything else at once. */
  async run<T>(
    committer: Committer,
    attempt: () => Promise<T>,
    { onConflict = () => {}, signal }: Attempts = {},
  ): Promise<T> {
    const counts: Record<ConflictClass, number> = { now: 0, rebase: 0, final: 0 };
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!isConflict(error)) throw error;
        const kind = conflictClass(error);
        this.#options.onConflict(committer, kind);
        onConflict(kind);
        const row = RETRIES[committer][kind];
        if (++counts[kind] > row.most) throw error;
        if (row.before === "rebase") this.#options.rebase();
        const { wait = sleepMs } = this.#options;
        await wait(backoffMs(row, counts[kind]), signal).catch(() => {
          throw error;
        });
      }
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof EiderError && error.code === "write_conflict";
}

function sleepMs(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return sleep(ms, undefined, { signal });
}
