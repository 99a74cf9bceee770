import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FlatTable } from "../../../src/arrow/flatbuffer.ts";
import type { Frame } from "../../../src/arrow/read.ts";
import { decodeSchema, encapsulate } from "../../../src/arrow/schema.ts";

const FIXTURES = join(import.meta.dirname, "../../../../test/fixtures/arrow");

export interface Stream {
  readonly header: Uint8Array;
  readonly frames: Frame[];
}

/** Cuts an Arrow IPC stream into messages as FlightData carries them: bare flatbuffer and body. */
export function cutStream(bytes: Uint8Array): Stream {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (length === 0) break;
    const header = bytes.subarray(at + 8, at + 8 + length);
    const bodyLength = FlatTable.root(header).int64(3, "body");
    at += 8 + length;
    messages.push({ header, body: bytes.subarray(at, at + bodyLength) });
    at += bodyLength;
  }
  const [schema, ...frames] = messages;
  if (!schema) throw new Error("a stream without a schema");
  return { header: schema.header, frames };
}

/** The opposite of `cutStream`, for readers that want a whole stream. */
export function joinStream(header: Uint8Array, frames: readonly Frame[]): Uint8Array {
  const end = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
  return Buffer.concat([encapsulate(header), ...frames.flatMap((f) => [encapsulate(f.header), f.body]), end]);
}

export function fixture(name: string): Stream {
  return cutStream(new Uint8Array(readFileSync(join(FIXTURES, `${name}.arrow`))));
}

export interface Expected {
  readonly columns: readonly string[];
  readonly rows: ReadonlyArray<ReadonlyArray<string | null>>;
  /** The rows so many times over. */
  readonly repeat?: number;
}

export const EXPECTED = JSON.parse(readFileSync(join(FIXTURES, "expected.json.snap"), "utf8")) as Record<
  string,
  Expected
>;

export function schemaOf(name: string): ReturnType<typeof decodeSchema> {
  return decodeSchema(fixture(name).header);
}
