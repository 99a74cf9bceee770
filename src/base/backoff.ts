/** Waits between attempts: the first, doubled by each further one up to the greatest. */
export interface Backoff {
  readonly firstMs: number;
  readonly greatestMs: number;
}

/** Between half and all of the wait after `failureCount` failures, so that those who failed together do not come back together. */
export function backoffMs(
  { firstMs, greatestMs }: Backoff,
  failureCount: number,
  random: () => number = Math.random,
): number {
  const fullMs = Math.min(greatestMs, firstMs * 2 ** (failureCount - 1));
  return fullMs * (0.5 + random() / 2);
}
