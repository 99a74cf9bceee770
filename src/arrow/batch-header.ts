import { FlatTable, type FlatVector, malformed } from "./flatbuffer.ts";
import { checkVersion } from "./schema.ts";

/** Codecs of BodyCompression in Message.fbs. */
export const LZ4_FRAME = 0;
export const ZSTD = 1;

/** What the flatbuffer of a record batch or dictionary batch says; its nodes and buffers are read as they are needed. */
export interface BatchHeader {
  readonly view: DataView;
  readonly rowCount: number;
  readonly bodyLength: number;
  /** FieldNode structs of 16 bytes: length and null count. */
  readonly nodes: FlatVector;
  /** Buffer structs of 16 bytes: offset and length. */
  readonly buffers: FlatVector;
  /** int64 numbers of data buffers, one per column of a view type. */
  readonly variadicCounts: FlatVector;
  readonly codec: number | undefined;
  readonly dictionary: { readonly id: number; readonly isDelta: boolean } | undefined;
}

const HEADER_DICTIONARY_BATCH = 2;
const HEADER_RECORD_BATCH = 3;

export function readBatchHeader(header: Uint8Array): BatchHeader {
  const message = FlatTable.root(header);
  checkVersion(message);
  const kind = message.uint8(1);
  const table = message.table(2);
  if (table && kind === HEADER_RECORD_BATCH) return readBatch(message, table, undefined);
  const data = table && kind === HEADER_DICTIONARY_BATCH ? table.table(1) : undefined;
  if (!table || !data) throw malformed("expected a record batch or a dictionary batch");
  return readBatch(message, data, { id: table.int64(0, "a dictionary id"), isDelta: table.bool(2) });
}

function readBatch(message: FlatTable, batch: FlatTable, dictionary: BatchHeader["dictionary"]): BatchHeader {
  const compression = batch.table(3);
  if (compression && compression.int8(1) !== 0) throw malformed(`unknown compression method ${compression.int8(1)}`);
  return {
    view: batch.view,
    rowCount: batch.int64(0, "the number of rows"),
    bodyLength: message.int64(3, "the body's length"),
    nodes: batch.vector(1, 16),
    buffers: batch.vector(2, 16),
    variadicCounts: batch.vector(4, 8),
    codec: compression?.int8(0),
    dictionary,
  };
}
