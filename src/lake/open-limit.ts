import { EiderError } from "../errors.ts";

/**
 * Longest time from BEGIN to COMMIT of Eider's own transactions. Any node may expire snapshots and delete files that are
 * an hour old (maintenance.ts): a transaction that is older could commit over what it never saw, or to files that are
 * gone. The quarter of an hour between is for clocks that differ.
 */
const OPEN_LIMIT_MS = 45 * 60_000;

/** From BEGIN; the returned function throws once the transaction is too old to be committed. */
export function startOpenLimit(nowMs: () => number = Date.now): () => void {
  const startedMs = nowMs();
  return () => {
    if (nowMs() - startedMs < OPEN_LIMIT_MS) return;
    throw new EiderError(
      "deadline_exceeded",
      `the transaction has been open for ${OPEN_LIMIT_MS / 60_000} minutes, too long to be committed safely; it is made again`,
    );
  };
}
