import PQueue from "p-queue";
import pRetry from "p-retry";
import { EiderError } from "../errors.ts";

/** Transactions of Eider's own that must not run beside each other: flushes, key changes, new state tables. */
export class Turn {
  readonly #queue = new PQueue({ concurrency: 1 });

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue.add(work);
  }
}

const CONFLICT_RETRIES = 8;
const CONFLICT_WAIT_MS = { minTimeout: 20, maxTimeout: 2_000 };

/**
 * Runs a transaction again while other committers make it void: up to 8 times after the first, waiting 20 ms to 2 s
 * with jitter. `work` must begin from what the lake holds then.
 */
export function retryConflicts<T>(work: () => Promise<T>, onConflict: () => void = () => {}): Promise<T> {
  return pRetry(work, {
    retries: CONFLICT_RETRIES,
    ...CONFLICT_WAIT_MS,
    randomize: true,
    shouldRetry: ({ error }) => isConflict(error),
    onFailedAttempt: ({ error }) => {
      if (isConflict(error)) onConflict();
    },
  });
}

function isConflict(error: unknown): boolean {
  return error instanceof EiderError && error.code === "write_conflict";
}
