import type { BufferView, SealReason } from "../buffer/types.ts";

export interface FlushLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** Age of the open segment's first row. */
  readonly maxAgeMs: number;
  /** Appends wait for room on disk, which only a flush makes. */
  readonly isDiskFull?: boolean;
  /** Earlier segments wait to be tried again: more of them would only be more files. */
  readonly isRetrying?: boolean;
}

/** Rows of a busy table are no older than this in the lake, beside the flush itself. */
const GREATEST_SPACING_MS = 3_000;

/**
 * How far apart the flushes of a table are that fills segments faster (see `TableQueue.isTooSoon`): half of the age that
 * rows may have anyway, so that gathering into fewer files is not what makes them late.
 */
export function flushSpacingMs(sweepIntervalMs: number, maxAgeMs: number): number {
  return Math.max(sweepIntervalMs, Math.min(maxAgeMs / 2, GREATEST_SPACING_MS));
}

type Trigger = (view: BufferView, nowMs: number, limits: FlushLimits) => SealReason | undefined;

/** In order of precedence. */
const TRIGGERS: readonly Trigger[] = [
  (view, _nowMs, limits) => (view.openRows >= limits.maxRows ? "rows" : undefined),
  (view, _nowMs, limits) => (view.openBytes >= limits.maxBytes ? "bytes" : undefined),
  (view, nowMs, limits) =>
    !limits.isRetrying && isOlder(view.openSinceMs, nowMs, limits.maxAgeMs) ? "age" : undefined,
  (_view, _nowMs, limits) => (limits.isDiskFull ? "memory" : undefined),
];

/** A row that is younger than now was written before the clock was set back: how old it is nobody knows. */
function isOlder(sinceMs: number | undefined, nowMs: number, maxAgeMs: number): boolean {
  return sinceMs !== undefined && (nowMs - sinceMs >= maxAgeMs || sinceMs > nowMs);
}

/** Why the buffer's open segment is to be sealed, or undefined when it may go on; an empty one always may. */
export function dueReason(view: BufferView, nowMs: number, limits: FlushLimits): SealReason | undefined {
  if (view.openRows === 0) return undefined;
  for (const trigger of TRIGGERS) {
    const reason = trigger(view, nowMs, limits);
    if (reason) return reason;
  }
  return undefined;
}
