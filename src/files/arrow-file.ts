import { createReadStream } from "node:fs";
import { CompressionType, compressionRegistry, type RecordBatch, RecordBatchReader } from "apache-arrow";
import { decompressLz4 } from "../arrow/lz4.ts";
import { decompressZstd } from "../arrow/zstd.ts";
import { EiderError, messageOf } from "../errors.ts";

const BATCH_ROWS = 65_536;
/** An uncompressed length, little-endian, stands before each compressed buffer. */
const LENGTH_BYTES = 8;

// The package has no codecs of its own, and pyarrow compresses a Feather file by LZ4 unless it is told not to.
for (const [type, decompress] of [
  [CompressionType.LZ4_FRAME, decompressLz4],
  [CompressionType.ZSTD, decompressZstd],
] as const) {
  compressionRegistry.set(type, { decode: (bytes) => uncompressed(bytes, decompress) });
}

/** Arrow's stream and file formats, from disk; no DuckDB reads them. Throws `type_unsupported` for what is neither. */
export async function* arrowBatches(path: string): AsyncGenerator<RecordBatch> {
  try {
    const reader = await RecordBatchReader.from(createReadStream(path));
    for await (const batch of reader) {
      for (let at = 0; at < batch.numRows; at += BATCH_ROWS) yield batch.slice(at, at + BATCH_ROWS);
    }
  } catch (error) {
    throw new EiderError(
      "type_unsupported",
      `${path} cannot be read as Arrow's file or stream format: ${messageOf(error)}\nIs it whole, and is it of this format? If so, write it as Parquet.`,
      { cause: error },
    );
  }
}

/** `bytes` is a view of the message's body: the buffer's length, which is not handed over, lies before it. */
function uncompressed(bytes: Uint8Array, decompress: (source: Uint8Array, target: Uint8Array) => void): Uint8Array {
  const length = new DataView(bytes.buffer, bytes.byteOffset - LENGTH_BYTES, LENGTH_BYTES).getBigInt64(0, true);
  const target = new Uint8Array(Number(length));
  if (target.byteLength > 0) decompress(bytes, target);
  return target;
}
