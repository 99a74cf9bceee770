import { steadyNowMs } from "../base/steady-clock.ts";

/** Time as the flusher sees it, so that tests can turn it. */
export interface Clock {
  /** Unix time. */
  nowMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function prevents that. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** For what is due so long after something else, whatever becomes of the time of day meanwhile. */
export const steadyClock: Clock = { nowMs: steadyNowMs, after: systemClock.after };
