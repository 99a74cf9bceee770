import type { Compaction, SealedSegment } from "../buffer/types.ts";
import { sameNames } from "../lake/flush-sql.ts";

/** The segments of one table that are compacted and committed together. */
export interface Batch {
  readonly segments: readonly SealedSegment[];
  readonly startedMs: number;
  /** The same by performance.now(). */
  readonly started: number;
  readonly compaction: Compaction | undefined;
  readonly compactMs: number;
}

/**
 * Most that one table's batch, and one commit, takes; a single segment or table may be larger. Bounds the memory, the time
 * and the files of one transaction, which on a conflict is made again as a whole.
 */
const BATCH_ROWS_LIMIT = 10_000_000;
const BATCH_BYTES_LIMIT = 2_000_000_000;

/** Whether so much is more than one batch, or commit, takes. */
export function exceedsBatch(rows: number, bytes: number): boolean {
  return rows > BATCH_ROWS_LIMIT || bytes > BATCH_BYTES_LIMIT;
}

/**
 * The segments that go together next: the first ones that are for one table and keyed alike, as a winners' file knows
 * one key. At least one, else within the limits of a batch.
 */
export function takeBatch(waiting: readonly SealedSegment[]): SealedSegment[] {
  const taken: SealedSegment[] = [];
  let rows = 0;
  let bytes = 0;
  for (const segment of waiting) {
    rows += segment.rows;
    bytes += segment.bytes;
    const first = taken[0];
    if (first && exceedsBatch(rows, bytes)) break;
    if (first && (first.tableId !== segment.tableId || !sameNames(first.primaryKey, segment.primaryKey))) break;
    taken.push(segment);
  }
  return taken;
}

/** Whether the segments fill a commit, so that more of them would only go into the next one. */
export function fillsCommit(segments: readonly SealedSegment[]): boolean {
  const sum = (of: (segment: SealedSegment) => number) => segments.reduce((total, segment) => total + of(segment), 0);
  return sum(({ rows }) => rows) >= BATCH_ROWS_LIMIT || sum(({ bytes }) => bytes) >= BATCH_BYTES_LIMIT;
}

export function newestSeq(segments: readonly SealedSegment[]): number {
  return Math.max(...segments.map((segment) => segment.lastSeq));
}
