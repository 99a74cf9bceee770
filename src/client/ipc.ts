import { RecordBatch, RecordBatchReader, RecordBatchStreamWriter, type Schema } from "apache-arrow";
import { Message } from "apache-arrow/ipc/metadata/message";
import type { Frame } from "../wire/frame.ts";
import { numbered } from "./dictionary-ids.ts";

/** The IPC streaming format: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format */

const CONTINUATION = 0xffffffff;
const PREFIX_BYTES = 8;

/** The mark behind the last message. */
export const END_OF_STREAM: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

/** A batch as it is sent: its dictionaries, then itself. The schema is a bare flatbuffer `Message`. */
export interface EncodedBatch {
  readonly schema: Uint8Array;
  readonly frames: readonly Frame[];
}

export type BatchLike = RecordBatch | EncodedBatch;

/** A message as a stream has it: continuation mark, length of the header, header padded to 8, body. */
export function encapsulated({ header, body }: Frame): Uint8Array {
  const padded = (header.byteLength + 7) & ~7;
  const bytes = new Uint8Array(PREFIX_BYTES + padded + body.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, CONTINUATION, true);
  view.setInt32(4, padded, true);
  bytes.set(header, PREFIX_BYTES);
  bytes.set(body, PREFIX_BYTES + padded);
  return bytes;
}

export function schemaOf(message: Uint8Array): Schema {
  const stream = Buffer.concat([encapsulated({ header: message, body: new Uint8Array(0) }), END_OF_STREAM]);
  return RecordBatchReader.from(stream).open().schema;
}

/** Each batch is encoded by itself, with its dictionaries, so that any of them can be sent again alone. */
export function encodeBatch(batch: BatchLike): EncodedBatch {
  if ("frames" in batch) return batch;
  const own = new RecordBatch(numbered(batch.schema), batch.data);
  const [schema, ...frames] = split(RecordBatchStreamWriter.writeAll([own]).toUint8Array(true));
  if (!schema) throw new TypeError("the batch has no schema");
  return { schema: schema.header, frames };
}

function split(stream: Uint8Array): Frame[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at + PREFIX_BYTES <= stream.length && view.getUint32(at, true) === CONTINUATION; ) {
    const headerBytes = view.getInt32(at + 4, true);
    if (headerBytes === 0) break;
    const header = stream.subarray(at + PREFIX_BYTES, at + PREFIX_BYTES + headerBytes);
    const bodyAt = at + PREFIX_BYTES + headerBytes;
    const bodyBytes = Message.decode(header).bodyLength;
    frames.push({ header, body: stream.subarray(bodyAt, bodyAt + bodyBytes) });
    at = bodyAt + bodyBytes;
  }
  return frames;
}
