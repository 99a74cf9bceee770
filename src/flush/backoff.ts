/** Wait after a table's first failed flush, doubled by each further one up to the greatest. */
export const FIRST_BACKOFF_MS = 1_000;
export const GREATEST_BACKOFF_MS = 60_000;

/** Between half and all of the wait, so that tables that failed together do not come back together. */
export function backoffMs(failureCount: number, random: () => number = Math.random): number {
  const fullMs = Math.min(GREATEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failureCount - 1));
  return fullMs * (0.5 + random() / 2);
}
