import type { Target } from "../base/target.ts";
import type { Batch } from "./batch.ts";
import type { FlushRecord } from "./observer.ts";

const RECORDS_LIMIT = 200;

export interface FlushFacts {
  readonly phasesMs: FlushRecord["phasesMs"];
  readonly rowsInserted?: number;
  readonly rowsDeleted?: number;
  readonly alreadyCommitted?: boolean;
  readonly error?: string;
}

/** The last 200 flushes, good and bad, in memory. */
export class FlushHistory {
  readonly #records: FlushRecord[] = [];

  get recent(): readonly FlushRecord[] {
    return this.#records;
  }

  add(target: Target, batch: Batch, facts: FlushFacts): FlushRecord {
    const { segments, compaction, startedMs, started } = batch;
    const rowsIn = segments.reduce((sum, segment) => sum + segment.rows, 0);
    const record: FlushRecord = {
      target,
      reason: segments[0]?.reason ?? "command",
      segments: segments.length,
      rowsIn,
      rowsOut: compaction?.rowsOut ?? rowsIn,
      rowsInserted: facts.rowsInserted ?? 0,
      rowsDeleted: facts.rowsDeleted ?? 0,
      bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
      startedMs,
      durationMs: performance.now() - started,
      phasesMs: facts.phasesMs,
      alreadyCommitted: facts.alreadyCommitted ?? false,
      error: facts.error,
    };
    this.#records.push(record);
    if (this.#records.length > RECORDS_LIMIT) this.#records.shift();
    return record;
  }
}
