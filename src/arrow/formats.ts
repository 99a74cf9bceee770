import duckdb from "@duckdb/node-bindings";
import { HeapSpans } from "./heap-spans.ts";

/** Texts of DuckDB values that have no Arrow type which all clients read, as DuckDB's own CAST to VARCHAR prints them. */
export type TextReader = (vector: duckdb.Vector, count: number) => (row: number) => Uint8Array;

const encoder = new TextEncoder();
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function dataOf(vector: duckdb.Vector, bytes: number): DataView {
  const data = duckdb.vector_get_data(vector, bytes);
  return new DataView(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** A UUID is a little-endian 128-bit integer whose top bit is flipped. */
export const uuidTexts: TextReader = (vector, count) => {
  const data = dataOf(vector, count * 16);
  return (row) => {
    let text = "";
    for (let i = 0; i < 16; i++) {
      const byte = data.getUint8(16 * row + 15 - i) ^ (i === 0 ? 0x80 : 0);
      text += HEX[byte];
      if (i === 3 || i === 5 || i === 7 || i === 9) text += "-";
    }
    return encoder.encode(text);
  };
};

export function enumTexts(type: duckdb.LogicalType): TextReader {
  const texts = Array.from({ length: duckdb.enum_dictionary_size(type) }, (_, i) =>
    encoder.encode(duckdb.enum_dictionary_value(type, i)),
  );
  const internal = duckdb.enum_internal_type(type);
  const width = internal === duckdb.Type.UTINYINT ? 1 : internal === duckdb.Type.USMALLINT ? 2 : 4;
  const none = new Uint8Array(0);
  return (vector, count) => {
    const data = dataOf(vector, count * width);
    if (width === 1) return (row) => texts[data.getUint8(row)] ?? none;
    if (width === 2) return (row) => texts[data.getUint16(2 * row, true)] ?? none;
    return (row) => texts[data.getUint32(4 * row, true)] ?? none;
  };
}

/** 40 bits of microseconds, then 24 bits of offset: 57599 minus the offset in seconds (DuckDB's dtime_tz_t). */
export const timeTzTexts: TextReader = (vector, count) => {
  const data = dataOf(vector, count * 8);
  return (row) => {
    const bits = data.getBigUint64(8 * row, true);
    const micros = Number(bits >> 24n);
    const offset = 57_599 - Number(bits & 0xff_ffffn);
    const fraction = micros % 1_000_000;
    const clock = clockText(Math.floor(micros / 1_000_000));
    const tail = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
    const zone = Math.abs(offset);
    const [hours, minutes, seconds] = clockText(zone).split(":");
    let zoneText = `${offset < 0 ? "-" : "+"}${hours}`;
    if (zone % 3600 !== 0) zoneText += `:${minutes}`;
    if (zone % 60 !== 0) zoneText += `:${seconds}`;
    return encoder.encode(`${clock}${tail}${zoneText}`);
  };
};

function clockText(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** A BIT is a byte that says how many bits of the next one are padding, then the bits, the most significant first. */
export const bitTexts: TextReader = (vector, count) => {
  const data = duckdb.vector_get_data(vector, count * 16);
  const words = new Int32Array(data.buffer as ArrayBuffer, data.byteOffset, count * 4);
  const mask = duckdb.vector_get_validity(vector, ((count + 63) >> 6) * 8);
  const isNull = (row: number): boolean => mask !== null && (((mask[row >> 3] ?? 0) >> (row & 7)) & 1) === 0;
  const spans = new HeapSpans(words, 0, count, isNull);
  return (row) => {
    const length = words[4 * row] ?? 0;
    let bytes = data.subarray(16 * row + 4, 16 * row + 4 + length);
    if (length > 12) {
      const pointer = spans.pointer(row);
      const span = spans.find(pointer);
      bytes = Buffer.from(span.bytes.subarray(pointer - span.start, pointer - span.start + length));
    }
    const text = Array.from(bytes.subarray(1), (byte) => byte.toString(2).padStart(8, "0")).join("");
    return encoder.encode(text.slice(bytes[0] ?? 0));
  };
};
