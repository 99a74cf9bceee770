import { messageOf } from "../errors.ts";

/**
 * Whether DuckDB answers. One probe runs at a time, however many ask; one that hangs is not started again, so that a
 * stuck instance is not fed more work by its own health check.
 */
export interface HealthOptions {
  readonly probe: () => Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** A probe older than this counts as failed. */
  readonly timeoutMs?: number;
  /** A success is believed this long. */
  readonly freshMs?: number;
}

const TIMEOUT_MS = 5_000;
const FRESH_MS = 1_000;

export class HealthProbe {
  readonly #options: Required<HealthOptions>;
  #running: { readonly startedMs: number; readonly result: Promise<string | undefined> } | undefined;
  #healthySinceMs = Number.NEGATIVE_INFINITY;

  constructor(options: HealthOptions) {
    this.#options = { timeoutMs: TIMEOUT_MS, freshMs: FRESH_MS, ...options };
  }

  /** Resolves to undefined when healthy, else to what is wrong; never later than the timeout. */
  async check(): Promise<string | undefined> {
    const { now, timeoutMs, freshMs } = this.#options;
    if (now() - this.#healthySinceMs <= freshMs) return undefined;
    this.#running ??= { startedMs: now(), result: this.#run() };
    const remainingMs = this.#running.startedMs + timeoutMs - now();
    const late = `the database did not answer within ${timeoutMs / 1000} s`;
    if (remainingMs <= 0) return late;
    return await firstOf(this.#running.result, remainingMs, late);
  }

  async #run(): Promise<string | undefined> {
    try {
      await this.#options.probe();
      this.#healthySinceMs = this.#options.now();
      return undefined;
    } catch (error) {
      return messageOf(error);
    } finally {
      this.#running = undefined;
    }
  }
}

async function firstOf<T>(result: Promise<T>, timeoutMs: number, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), timeoutMs);
  });
  return await Promise.race([result, timeout]).finally(() => clearTimeout(timer));
}
