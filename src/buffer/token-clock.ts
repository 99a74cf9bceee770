import { steadyNowMs } from "../base/steady-clock.ts";

/**
 * A token's time is compared within the process and, from disk, by later ones, each with a steady clock of its own. Whichever
 * of the two clocks is wrong (set meanwhile; behind, because the machine slept or was started before it knew the time), a
 * token may be kept for longer than its retention, never for less: a batch that is sent again would be stored twice.
 */
const CLOCKS: ReadonlyArray<() => number> = [Date.now, steadyNowMs];

/** Unix milliseconds of a token that is stored now. */
export function tokenNowMs(clocks = CLOCKS): number {
  return Math.max(...clocks.map((nowMs) => nowMs()));
}

/** Tokens that are older have expired. */
export function tokenCutoffMs(retentionSeconds: number, clocks = CLOCKS): number {
  return Math.min(...clocks.map((nowMs) => nowMs())) - retentionSeconds * 1000;
}
