import type { FailpointSpec } from "../base/failpoints.ts";
import type { TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { ErrorCode } from "../errors.ts";
import type { QuarantinedSegment } from "./quarantine.ts";
import type { AppendOptions, AppendResult, ArrowMessage, Compaction, SealedSegment, SealReason } from "./types.ts";

/** What the main thread and a buffer worker say to each other; plain data only. */

export interface WorkerSettings {
  readonly bufferDir: string;
  readonly index: number;
  /** A target belongs to the worker that its folder's hash gives, modulo this. */
  readonly workers: number;
  readonly bufferMemoryMb: number;
  readonly flushMemoryMb: number;
  readonly maxParallelFlushes: number;
  /** Arrow bytes from which on a staged stream's rows go to Parquet files; undefined: never. */
  readonly parquetFromBytes: number | undefined;
  readonly bufferMaxRows: number;
  readonly bufferMaxBytes: number;
  readonly tokenRetentionSeconds: number;
  readonly failpoints: FailpointSpec;
  /** Ids of sealed segments that the main thread has already: a worker that is started anew leaves them alone. */
  readonly known: readonly string[];
}

/** Every call: what it takes and what it resolves to. */
export interface Calls {
  ensure: { args: { shape: TableShape; watermark: number }; result: undefined };
  openStream: { args: { stream: number; target: Target; schema: Uint8Array }; result: undefined };
  append: { args: { stream: number; message: ArrowMessage; options: AppendOptions }; result: AppendResult | undefined };
  closeStream: { args: { stream: number }; result: undefined };
  openStage: {
    args: { stage: number; target: Target | undefined; shape: TableShape | undefined; schema: Uint8Array };
    result: undefined;
  };
  writeStage: { args: { stage: number; message: ArrowMessage }; result: undefined };
  /** A staged stream that needs no file. */
  publishWhole: {
    args: { target: Target; schema: Uint8Array; messages: readonly ArrowMessage[]; options: AppendOptions };
    result: AppendResult;
  };
  settleStage: { args: { stage: number }; result: undefined };
  publishStage: { args: { stage: number; options: AppendOptions }; result: AppendResult };
  stageToFile: { args: { stage: number }; result: { path: string; rows: number } };
  discardStage: { args: { stage: number }; result: undefined };
  /** The sealed segments themselves come as `sealed` of the update, before the reply. */
  seal: { args: { target: Target; reason: SealReason }; result: string | undefined };
  compact: { args: { segments: readonly SealedSegment[] }; result: Compaction };
  remove: { args: { segments: readonly SealedSegment[]; compaction: Compaction | undefined }; result: undefined };
  /** Those set aside come as `quarantined` of the update, before the reply: how many rows they hold. */
  setDamagedAside: { args: { segments: readonly SealedSegment[]; lasting: boolean }; result: number };
  clear: { args: { target: Target }; result: undefined };
  usage: { args: Record<string, never>; result: { memoryBytes: number; tempBytes: number } };
  /** Finishes what is queued and closes all files. */
  close: { args: Record<string, never>; result: undefined };
}

export type CallKind = keyof Calls;

export interface RequestOf<K extends CallKind> {
  readonly id: number;
  readonly kind: K;
  readonly args: Calls[K]["args"];
}

export type Request = { [K in CallKind]: RequestOf<K> }[CallKind];

/** An EiderError on its way between threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
}

export type Reply =
  | { readonly id: number; readonly result: unknown; readonly error?: undefined }
  | { readonly id: number; readonly error: PlainError };

/** One buffer's numbers without its reported sealed segments, which the main thread knows. */
export interface BufferNumbers {
  readonly target: Target;
  readonly openRows: number;
  readonly openBytes: number;
  readonly openSinceMs: number | undefined;
  /** Segments that take no more rows, but are not handed out yet. */
  readonly sealingSegments: number;
  readonly sealingRows: number;
  readonly sealingBytes: number;
  readonly sealingSinceMs: number | undefined;
  /** Of the open and sealing segments and the token store. */
  readonly diskBytes: number;
  readonly lastSeq: number;
}

export interface WorkerLog {
  readonly level: "info" | "warn" | "error";
  readonly fields: object;
  readonly message: string;
}

/** All that happened in one turn of the worker's event loop, in one message. Replies are handled last. */
export interface Update {
  readonly logs: readonly WorkerLog[];
  readonly numbers: readonly BufferNumbers[];
  /** Files of staged streams that no buffer has yet. */
  readonly stagedBytes: number;
  readonly sealed: readonly SealedSegment[];
  readonly quarantined: readonly QuarantinedSegment[];
  /** Once, when recovery is done; requests are taken from then on. */
  readonly isReady: boolean;
  /** Why recovery failed: the worker ends. */
  readonly failed: PlainError | undefined;
  readonly replies: readonly Reply[];
}
