import { steadyNowMs } from "./steady-clock.ts";

/**
 * From now; the returned function tells the earliest time, Unix milliseconds, that a file written since then can have: when
 * the clock was set back meanwhile, that is before now.
 */
export function startWriteTimes(
  wallNowMs: () => number = Date.now,
  steadyMs: () => number = steadyNowMs,
): () => number {
  const [startedMs, steadyStartedMs] = [wallNowMs(), steadyMs()];
  return () => Math.min(startedMs, wallNowMs() - (steadyMs() - steadyStartedMs));
}
