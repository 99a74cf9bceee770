import { type Field, Schema } from "apache-arrow";
import { Message } from "apache-arrow/ipc/metadata/message";
import { RecentMap } from "../base/recent-map.ts";
import { FlatTable, malformed } from "./flatbuffer.ts";
import { FieldReader, readMetadata } from "./schema-fields.ts";
import { duckTypeOf } from "./types.ts";

/** Schema messages. Slots are those of Arrow's Schema.fbs and Message.fbs (https://github.com/apache/arrow/tree/main/format). */

const CONTINUATION = 0xffffffff;
const HEADER_SCHEMA = 1;
const VERSION_V4 = 3;

/** Longer schemas are decoded each time. */
const LONGEST_KNOWN_BYTES = 16_384;
const known = new RecentMap<string, Schema>(256);

/**
 * The schema in a bare flatbuffer `Message` (FlightData.data_header). The same bytes give the same object while they are
 * remembered: clients with small batches send one schema message over and over, and what is derived from a schema can be
 * kept by its identity. Callers must not change it.
 * Throws request_invalid when it is malformed and type_unsupported, naming the field's path and its Arrow type, when a
 * field's type has no DuckDB type.
 */
export function decodeSchema(header: Uint8Array): Schema {
  if (header.byteLength > LONGEST_KNOWN_BYTES) return readSchema(header);
  const key = Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString("latin1");
  const found = known.get(key);
  if (found) return found;
  const schema = readSchema(header);
  known.set(key, schema);
  return schema;
}

function readSchema(header: Uint8Array): Schema {
  const message = FlatTable.root(header);
  checkVersion(message);
  const schema = message.uint8(1) === HEADER_SCHEMA ? message.table(2) : undefined;
  if (!schema) throw malformed("the first message of a stream must be a schema");
  if (schema.int16(0) !== 0) throw malformed("big-endian data is not supported; send little-endian data");
  const fields = new FieldReader().readAll(schema.tables(1), "");
  for (const field of fields) duckTypeOf(field);
  return new Schema(fields as Field[], readMetadata(schema.tables(2)));
}

/** Messages before V4 (Arrow 0.8) lay out buffers differently. */
export function checkVersion(message: FlatTable): void {
  const version = message.int16(0);
  if (version < VERSION_V4) throw malformed(`metadata version V${version + 1} is too old; send V4 or V5`);
}

/** The bare flatbuffer `Message` of a schema. */
export function encodeSchema(schema: Schema): Uint8Array {
  return Message.encode(Message.from(schema));
}

/** That of a schema without columns. */
export const NO_COLUMNS: Uint8Array = encodeSchema(new Schema([]));

/** A message as FlightInfo.schema and SchemaResult.schema want it: 0xFFFFFFFF, int32 length, flatbuffer, padded to 8. */
export function encapsulate(message: Uint8Array): Uint8Array {
  const padded = (message.byteLength + 7) & ~7;
  const bytes = new Uint8Array(8 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, CONTINUATION, true);
  view.setInt32(4, padded, true);
  bytes.set(message, 8);
  return bytes;
}

/** The bare message in an encapsulated one, in the form before Arrow 0.15 too (length without 0xFFFFFFFF), or in a bare one. */
export function unwrapEncapsulated(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength < 8) throw malformed(`${bytes.byteLength} bytes are too few for a schema`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint32(0, true);
  if (first === CONTINUATION) {
    const length = view.getUint32(4, true);
    if (8 + length > bytes.byteLength) throw malformed(`a message of ${length} bytes is cut short`);
    return bytes.subarray(8, 8 + length);
  }
  // A bare flatbuffer begins with the offset of its root table, which is small; a legacy length covers the rest.
  return first + 4 === bytes.byteLength || first + 12 === bytes.byteLength ? bytes.subarray(4, 4 + first) : bytes;
}
