import type { BufferView, SealReason } from "../buffer/types.ts";

export interface FlushLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** Age of the open segment's first row. */
  readonly maxAgeMs: number;
  /** Appends wait for room on disk, which only a flush makes. */
  readonly isDiskFull?: boolean;
}

type Trigger = (view: BufferView, nowMs: number, limits: FlushLimits) => SealReason | undefined;

/** In order of precedence. */
const TRIGGERS: readonly Trigger[] = [
  (view, _nowMs, limits) => (view.openRows >= limits.maxRows ? "rows" : undefined),
  (view, _nowMs, limits) => (view.openBytes >= limits.maxBytes ? "bytes" : undefined),
  (view, nowMs, limits) =>
    view.openSinceMs !== undefined && nowMs - view.openSinceMs >= limits.maxAgeMs ? "age" : undefined,
  (_view, _nowMs, limits) => (limits.isDiskFull ? "memory" : undefined),
];

/** Why the buffer's open segment is to be sealed, or undefined when it may go on; an empty one always may. */
export function dueReason(view: BufferView, nowMs: number, limits: FlushLimits): SealReason | undefined {
  if (view.openRows === 0) return undefined;
  for (const trigger of TRIGGERS) {
    const reason = trigger(view, nowMs, limits);
    if (reason) return reason;
  }
  return undefined;
}
