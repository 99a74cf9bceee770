import pRetry, { AbortError } from "p-retry";
import { EiderError, messageOf } from "../errors.ts";
import type { Log } from "./types.ts";

export interface CatalogWait {
  /** 0: not at all. */
  readonly waitSeconds: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Log;
}

const PAUSE_MS = { minTimeout: 250, maxTimeout: 5_000 };

/**
 * Opens a lake whose catalog may still be starting, as when a machine boots: tries again while it does not answer, for
 * `waitSeconds`. Without the catalog's watermarks nobody knows which of the segments on disk have been committed, so a
 * server does not start before it has them. Rejects with the last error, or `shutting_down` by the signal.
 */
export async function waitForCatalog<T>(open: () => Promise<T>, { waitSeconds, signal, log }: CatalogWait): Promise<T> {
  if (waitSeconds === 0) return await open();
  const startedMs = performance.now();
  const leftSeconds = () => waitSeconds - (performance.now() - startedMs) / 1000;
  try {
    return await pRetry(open, {
      retries: Number.POSITIVE_INFINITY,
      ...PAUSE_MS,
      ...(signal ? { signal } : {}),
      shouldRetry: ({ error }) => isAway(error) && leftSeconds() > 0,
      onFailedAttempt: ({ error }) => {
        if (!isAway(error) || leftSeconds() <= 0) return;
        log.warn(
          { error: messageOf(error), waitsSeconds: Math.ceil(leftSeconds()) },
          "the lake's catalog does not answer yet (setting catalog_wait_seconds)",
        );
      },
    });
  } catch (error) {
    if (signal?.aborted)
      throw new EiderError("shutting_down", "stopped while waiting for the lake's catalog", { cause: error });
    throw error instanceof AbortError ? error.originalError : error;
  }
}

function isAway(error: unknown): boolean {
  return error instanceof EiderError && error.code === "lake_unavailable";
}
