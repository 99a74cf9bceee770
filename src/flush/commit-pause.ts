/**
 * THE rule by which commits become fewer and larger while the catalog is slow. A commit takes the next snapshot number,
 * for which all nodes of a lake contend: one that is slow, or was made void, is followed by a rest in which more rows and
 * tables gather for the next one. Rows in a rest are durable and acknowledged; only the lake has them later.
 */
export interface CommitPauseLimits {
  /** Longest rest; 0: none. */
  readonly greatestMs: number;
  /** Age of a row at which its flush starts. With the longest rest, the age that no rest may carry a row beyond. */
  readonly maxAgeMs: number;
}

/** What a commit has shown of the catalog. */
export interface CommitCost {
  /** Time of its COMMITs, all attempts together. */
  readonly commitMs: number;
  /** Attempts that another committer made void. */
  readonly conflicts: number;
}

/** What waits for the next commit. */
export interface WaitingRows {
  /** Unix time of the oldest row. */
  readonly oldestMs: number;
  /** Somebody waits for it, or for the room that it takes, or it fills a commit. */
  readonly isUrgent: boolean;
}

/** A COMMIT that takes no longer is none to rest from: PostgreSQL nearby takes 10 to 30 ms, with much other work 150 ms. */
const QUICK_COMMIT_MS = 250;

/**
 * The rest after a commit: half way from the present one to as long as the COMMIT took beyond a quick one, for each
 * attempt that it needed. So the catalog is busy with this node at most about half of the time, one slow answer
 * alone does little, and a catalog that has recovered is soon used as before.
 */
export function nextPauseMs(presentMs: number, { commitMs, conflicts }: CommitCost, limits: CommitPauseLimits): number {
  const goalMs = Math.min(limits.greatestMs, Math.max(0, commitMs - QUICK_COMMIT_MS) * (1 + conflicts));
  const nextMs = Math.min(limits.greatestMs, (presentMs + goalMs) / 2);
  return nextMs < 1 ? 0 : nextMs;
}

/** How much of the rest is left, in ms; 0: commit now. */
export function restMs(
  { pauseMs, endedMs, nowMs }: { readonly pauseMs: number; readonly endedMs: number; readonly nowMs: number },
  waiting: WaitingRows,
  limits: CommitPauseLimits,
): number {
  // A clock that was set back says nothing of how long the rest has been.
  if (waiting.isUrgent || nowMs < endedMs) return 0;
  const ageLeftMs = waiting.oldestMs + limits.maxAgeMs + limits.greatestMs - nowMs;
  return Math.max(0, Math.min(pauseMs - (nowMs - endedMs), ageLeftMs));
}
