import { steadyNowMs } from "../base/steady-clock.ts";
import { EiderError } from "../errors.ts";

/**
 * Longest time from BEGIN to COMMIT of Eider's own transactions. Any node may expire snapshots and delete files that are
 * an hour old (maintenance.ts): a transaction that is older could commit over what it never saw, or to files that are
 * gone. The quarter of an hour between is for clocks that differ. Whichever clock says so: one that is set ahead makes new
 * files old for housekeeping, one that is set back hides how long it took.
 */
const OPEN_LIMIT_MS = 45 * 60_000;

/** From BEGIN; the returned function throws once the transaction is too old to be committed. */
export function startOpenLimit(clocks: ReadonlyArray<() => number> = [Date.now, steadyNowMs]): () => void {
  const startedMs = clocks.map((nowMs) => nowMs());
  return () => {
    if (clocks.every((nowMs, i) => nowMs() - (startedMs[i] ?? 0) < OPEN_LIMIT_MS)) return;
    throw new EiderError(
      "deadline_exceeded",
      `the transaction has been open for ${OPEN_LIMIT_MS / 60_000} minutes, too long to be committed safely; it is made again`,
    );
  };
}
