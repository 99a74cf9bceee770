import type { Target } from "../base/target.ts";
import type { Compaction, SealedSegment } from "../buffer/types.ts";
import { sameNames } from "../lake/flush-sql.ts";

/**
 * Where one table's flush is: idle → compacting → ready → committing → removing → idle, and waiting after a failure. A
 * table has one batch under way at a time, so that its segments commit in order and those sealed meanwhile gather.
 */
export type Stage = "idle" | "compacting" | "ready" | "committing" | "removing" | "waiting";

export interface Batch {
  readonly segments: readonly SealedSegment[];
  readonly startedMs: number;
  /** The same by performance.now(). */
  readonly started: number;
  readonly compaction: Compaction | undefined;
  readonly compactMs: number;
}

interface Waiter {
  /** Satisfied once the rows up to this seq are in the lake. */
  readonly goal: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A table whose winners are known. */
export interface ReadyTable {
  readonly table: TableQueue;
  readonly batch: Batch;
  readonly compaction: Compaction;
}

/**
 * Most that one table's batch, and one commit, takes; a single segment or table may be larger. Bounds the memory, the time
 * and the files of one transaction, which on a conflict is made again as a whole.
 */
const BATCH_ROWS_LIMIT = 10_000_000;
const BATCH_BYTES_LIMIT = 2_000_000_000;

export class TableQueue {
  readonly target: Target;
  stage: Stage = "idle";
  batch: Batch | undefined;
  /** Rows up to here are in the lake: of their segments only the removal is left to do, and may be half done. */
  committedSeq = 0;
  /** Failed attempts since the last success. */
  failureCount = 0;
  lastError: unknown;
  retryAtMs: number | undefined;
  cancelRetry: () => void = () => {};
  #waiters: Waiter[] = [];
  /** When the last batch was begun; undefined before the first. */
  #begunMs: number | undefined;

  constructor(target: Target) {
    this.target = target;
  }

  succeed(): void {
    this.failureCount = 0;
    this.lastError = undefined;
  }

  /** Somebody waits for rows of this table. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  begin(batch: Batch): void {
    this.stage = "compacting";
    this.batch = batch;
    this.#begunMs = batch.startedMs;
  }

  /**
   * Whether what waits had better gather: segments that were sealed for their size alone, less than `spacingMs` after the
   * last batch was begun. So a table that fills a segment many times a second gets a file a second, and not one each.
   */
  isTooSoon(waiting: readonly SealedSegment[], nowMs: number, spacingMs: number): boolean {
    const sinceMs = nowMs - (this.#begunMs ?? Number.NEGATIVE_INFINITY);
    // A clock that was set back says nothing of how long ago that was.
    if (sinceMs < 0 || sinceMs >= spacingMs || this.isAwaited || fillsCommit(waiting)) return false;
    return waiting.every(({ reason }) => reason === "rows" || reason === "bytes");
  }

  waitFor(goal: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ goal, resolve, reject }));
  }

  /** The rows up to `seq` are in the lake, or gone. */
  resolveUpTo(seq: number): void {
    const [done, rest] = split(this.#waiters, (waiter) => waiter.goal <= seq);
    this.#waiters = rest;
    for (const waiter of done) waiter.resolve();
  }

  /** Everyone who waits: a table's segments commit in order, so that no later one can pass the failed one. */
  rejectAll(error: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

/**
 * The segments that go together next: the first ones that are for one table and keyed alike, as a winners' file knows
 * one key. At least
 * one, else within the limits of a batch.
 */
export function takeBatch(waiting: readonly SealedSegment[]): SealedSegment[] {
  const taken: SealedSegment[] = [];
  let rows = 0;
  let bytes = 0;
  for (const segment of waiting) {
    rows += segment.rows;
    bytes += segment.bytes;
    const first = taken[0];
    if (first && (rows > BATCH_ROWS_LIMIT || bytes > BATCH_BYTES_LIMIT)) break;
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

/** All tables that are ready, within the limits of one commit; those left over go next. */
export function takeReady(tables: Iterable<TableQueue>): ReadyTable[] {
  const ready: ReadyTable[] = [];
  let rows = 0;
  let bytes = 0;
  for (const table of tables) {
    const { batch, stage } = table;
    if (stage !== "ready" || !batch?.compaction) continue;
    rows += batch.compaction.rowsOut;
    bytes += batch.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    if (ready.length > 0 && (rows > BATCH_ROWS_LIMIT || bytes > BATCH_BYTES_LIMIT)) break;
    ready.push({ table, batch, compaction: batch.compaction });
  }
  return ready;
}
