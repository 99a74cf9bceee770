import { targetName } from "../base/target.ts";
import type { FlushRecord } from "../flush/observer.ts";

/** A flush as a line of the log. Times are milliseconds. */
export function flushFields(record: FlushRecord): Record<string, unknown> {
  const phasesMs = Object.entries(record.phasesMs).map(([phase, ms]) => [phase, Math.round(ms)]);
  return {
    table: targetName(record.target),
    reason: record.reason,
    segments: record.segments,
    rowsIn: record.rowsIn,
    rowsInserted: record.rowsInserted,
    rowsDeleted: record.rowsDeleted,
    bytes: record.bytes,
    durationMs: Math.round(record.durationMs),
    phasesMs: Object.fromEntries(phasesMs),
    ...(record.alreadyCommitted ? { alreadyCommitted: true } : {}),
  };
}
