import PQueue from "p-queue";
import pRetry from "p-retry";
import { type ConflictClass, conflictClass } from "../duck/conflicts.ts";
import { EiderError } from "../errors.ts";

/** Work that must not run beside other work of its kind; in the order of the calls. */
export class Turn {
  readonly #queue = new PQueue({ concurrency: 1 });

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue.add(work);
  }

  /** Waits for the turn and keeps it until the returned function is called; undefined when it did not come in time. */
  async hold(waitMs: number): Promise<(() => void) | undefined> {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), waitMs);
    return await new Promise((resolve) => {
      const turn = this.#queue.add(
        () => {
          clearTimeout(timer);
          resolve(release);
          return held;
        },
        { signal: timeout.signal },
      );
      turn.catch(() => resolve(undefined));
    });
  }
}

const CONFLICT_RETRIES = 8;
const CONFLICT_WAIT_MS = { minTimeout: 20, maxTimeout: 2_000 };

/**
 * Runs a transaction again while other committers make it void: up to 8 times after the first, waiting 20 ms to 2 s
 * with jitter. `work` must begin from what the lake holds then, so that a conflict of any class leads to an answer.
 */
export function retryConflicts<T>(
  work: () => Promise<T>,
  onConflict: (kind: ConflictClass) => void = () => {},
): Promise<T> {
  return pRetry(work, {
    retries: CONFLICT_RETRIES,
    ...CONFLICT_WAIT_MS,
    randomize: true,
    shouldRetry: ({ error }) => isConflict(error),
    onFailedAttempt: ({ error }) => {
      if (isConflict(error)) onConflict(conflictClass(error));
    },
  });
}

function isConflict(error: unknown): boolean {
  return error instanceof EiderError && error.code === "write_conflict";
}
