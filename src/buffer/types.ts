import type { Column, TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";

/** What a row means for its key: `insert` is the writer's word that the key is new. Stored as 0, 1, 2. */
export const OPS = ["insert", "upsert", "delete"] as const;
export type Op = (typeof OPS)[number];

/**
 * One Arrow IPC message as it came in FlightData: a view of the flatbuffer `Message` and one of its body. Both may be
 * views into one larger ArrayBuffer, which the receiver takes over: it is transferred to a worker and detached.
 */
export interface ArrowMessage {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/** A Parquet file with rows of a segment, in the segment's `parquetFolderOf`. */
export interface ParquetFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  /** See `ParquetSlices`: without them a lake must not take it as it is. */
  readonly hasStatistics: boolean;
}

/** A sealed segment: a checkpointed, detached DuckDB file with the table `rows` (`seq` of a row is `firstSeq + rowid`). */
export interface SealedSegment {
  readonly id: string;
  readonly path: string;
  readonly target: Target;
  /** Of the table that the rows were written for; undefined when it was not known. */
  readonly tableId?: string | undefined;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly rows: number;
  /** Arrow body bytes as received. */
  readonly bytes: number;
  readonly fileBytes: number;
  /** All of its rows, in order, when there are any: its table is empty then. */
  readonly parquet: readonly ParquetFile[];
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  /** False when it holds inserts alone, so that the flush needs no DELETE. */
  readonly hasNonInserts: boolean;
  /** Unix time of the oldest row's acknowledgement. */
  readonly oldestMs: number;
  readonly reason: SealReason;
  /** True when it was found at start. */
  readonly recovered: boolean;
}

export const SEAL_REASONS = [
  "rows",
  "bytes",
  "age",
  "command",
  "memory",
  "read",
  "shutdown",
  "ingest",
  "schema",
  "recovery",
] as const;
export type SealReason = (typeof SEAL_REASONS)[number];

/** What one buffer holds now; the triggers, the metrics and `eider_buffers()` read it. */
export interface BufferView {
  readonly target: Target;
  readonly openRows: number;
  readonly openBytes: number;
  /** Unix time of the open segment's first row; undefined when it is empty. */
  readonly openSinceMs: number | undefined;
  readonly sealedSegments: number;
  readonly sealedRows: number;
  readonly sealedBytes: number;
  readonly oldestMs: number | undefined;
  /** Bytes of all the buffer's files on disk. */
  readonly diskBytes: number;
  readonly lastSeq: number;
}

export interface AppendResult {
  readonly rows: number;
  /** Sequence number of the last row; that of the first acknowledgement when `duplicate`. */
  readonly seq: number;
  /** The token had been seen: nothing was stored. */
  readonly duplicate: boolean;
}

/** Winners of a key over several sealed segments: a DuckDB file with the table `winners(segment INTEGER, rid BIGINT)`. */
export interface Compaction {
  /** Path of the winners' file, or undefined when every row of every segment wins. */
  readonly path: string | undefined;
  readonly rowsIn: number;
  readonly rowsOut: number;
}

export interface AppendOptions {
  readonly op?: Op;
  readonly token?: string;
}

/** One client stream whose batches become durable one by one. */
export interface AppendStream {
  /** Resolves once the batch is durable. Rejects with the batch's own error; the stream stays usable. */
  append(message: ArrowMessage, options: AppendOptions): Promise<AppendResult | undefined>;
  close(): Promise<void>;
}

/** One client stream that becomes durable as a whole or not at all. */
export interface StageStream {
  /** Resolves when the worker is ready for more (back-pressure). */
  write(message: ArrowMessage): Promise<void>;
  /** No row comes any more: what takes long of publishing is begun. An error is that of `publish`, too. */
  settle(): void;
  /** All rows so far become part of the target's buffer, durable when this resolves. */
  publish(options: AppendOptions): Promise<AppendResult>;
  /**
   * All rows so far as a closed DuckDB file with the table `rows`, which no buffer knows: for a lake connection to
   * INSERT from. The caller discards the stream afterwards, which removes the file.
   */
  toFile(): Promise<{ readonly path: string; readonly rows: number }>;
  /** Forgets everything; idempotent, and a no-op after publish. */
  discard(): Promise<void>;
}

/** Names of a buffer's life: ensureBuffer, appendToBuffer, flushBuffer (seal here, the rest in flush/), clearBuffer. */
export interface Buffers {
  /** Makes the target's buffer ready; a changed shape seals the open segment. `nextSeq` counts from the watermark at first use. */
  ensureBuffer(shape: TableShape, watermark: number): Promise<void>;
  hasBuffer(target: Target): boolean;
  /** The shape that the target's buffer was last made ready for; undefined when there is none. */
  shapeOf(target: Target): TableShape | undefined;
  /** A stream of batches into the target's buffer. `schema` is the IPC schema message; a mismatch rejects here. */
  appendToBuffer(target: Target, schema: Uint8Array, session: string): Promise<AppendStream>;
  /** `shape` need not have a buffer; without it the columns are those of the schema message itself. */
  stage(
    target: Target | undefined,
    shape: TableShape | undefined,
    schema: Uint8Array,
    session: string,
  ): Promise<StageStream>;
  /** Seals the open segment; resolves to undefined when it holds no rows. */
  seal(target: Target, reason: SealReason): Promise<SealedSegment | undefined>;
  /** Sealed segments that wait, in order. */
  sealed(target: Target): readonly SealedSegment[];
  compact(segments: readonly SealedSegment[]): Promise<Compaction>;
  /** Deletes the files of the segments, which are of one target (their tokens are kept), and the compaction's. */
  remove(segments: readonly SealedSegment[], compaction: Compaction | undefined): Promise<void>;
  /**
   * Reads the segments, which are of one target, whole; sets those that cannot be read aside. Resolves to how many rows
   * these hold, as far as is known: they are not in `sealed` any more, and their tokens are forgotten. `lasting`: those that
   * the disk does not give, too, as it has not done so for long.
   */
  setDamagedAside(segments: readonly SealedSegment[], lasting: boolean): Promise<number>;
  /** Drops everything the target's buffer holds, unflushed. */
  clearBuffer(target: Target): Promise<void>;
  views(): readonly BufferView[];
  /** True while rows that this session was acknowledged for are in the target's buffer, open or sealed. */
  hasRowsOf(target: Target, session: string): boolean;
}
