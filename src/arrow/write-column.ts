import duckdb from "@duckdb/node-bindings";
import { must } from "../base/assert.ts";
import { copyBits } from "./bits.ts";
import type { ColumnView } from "./column-view.ts";
import { writeBytes } from "./write-bytes.ts";

/**
 * Rows of a checked column into a DuckDB vector, by copying ranges of memory. `mask` has bit 0 for the first row; 0 means
 * that the row is NULL because its struct is: DuckDB wants the members of a NULL struct to be NULL themselves.
 */
type Writer = (vector: duckdb.Vector, column: ColumnView, start: number, count: number, mask?: Uint8Array) => void;

/** Eight booleans, a byte each, per byte of bits. No entry is a NaN, so storing it as a double keeps it as it is. */
const BOOLEANS = new Float64Array(Uint8Array.from({ length: 256 * 8 }, (_, i) => ((i >> 3) >> (i & 7)) & 1).buffer);

/** Grows as chunks need it; a chunk's rows are copied out before the next use. */
let scratch = new Float64Array(2048);

function scratchOf(bytes: number): Float64Array<ArrayBuffer> {
  if (scratch.byteLength < bytes) scratch = new Float64Array((bytes + 7) >> 3);
  return scratch;
}

const WRITERS: Readonly<Record<ColumnView["kind"], Writer>> = {
  null: (vector, _column, _start, count) => writeNulls(vector, count),
  fixed: (vector, column, start, count) => {
    const { data, width } = column;
    duckdb.copy_data_to_vector(vector, 0, bufferOf(data), data.byteOffset + start * width, count * width);
  },
  bits: writeBooleans,
  bytes: writeBytes,
  list: writeList,
  struct: writeStruct,
};

export function writeColumn(
  vector: duckdb.Vector,
  column: ColumnView,
  start: number,
  count: number,
  mask?: Uint8Array,
): void {
  if (count === 0) return;
  const valid = column.kind === "null" ? undefined : writeValidity(vector, column, start, count, mask);
  WRITERS[column.kind](vector, column, start, count, valid);
}

/** NULL in the first `count` rows, whatever the vector's type; members of structs too. */
export function writeNulls(vector: duckdb.Vector, count: number): void {
  if (count === 0) return;
  const bytes = (count + 7) >> 3;
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, new ArrayBuffer(bytes), 0, bytes);
  const type = duckdb.vector_get_column_type(vector);
  const id = duckdb.get_type_id(type);
  if (id === duckdb.Type.STRUCT) {
    const members = duckdb.struct_type_child_count(type);
    for (let i = 0; i < members; i++) writeNulls(duckdb.struct_vector_get_child(vector, i), count);
  }
  // What lies in a reused list vector would be read as the NULL lists' extents.
  if (id === duckdb.Type.LIST || id === duckdb.Type.MAP) {
    duckdb.copy_data_to_vector(vector, 0, new ArrayBuffer(count * 16), 0, count * 16);
    duckdb.list_vector_set_size(vector, 0);
  }
}

/** Writes the NULL mask when there is one and returns it, bit 0 first. */
function writeValidity(
  vector: duckdb.Vector,
  column: ColumnView,
  start: number,
  count: number,
  mask: Uint8Array | undefined,
): Uint8Array | undefined {
  const { validity } = column;
  if (!validity && !mask) return undefined;
  const bytes = (count + 7) >> 3;
  duckdb.vector_ensure_validity_writable(vector);
  if (validity && !mask && (start & 7) === 0) {
    const from = start >> 3;
    duckdb.copy_data_to_vector_validity(vector, 0, bufferOf(validity), validity.byteOffset + from, bytes);
    return validity.subarray(from, from + bytes);
  }
  const own = new Uint8Array(bytes);
  if (validity) copyBits(validity, start, count, own);
  else own.fill(0xff);
  if (mask) for (let i = 0; i < bytes; i++) own[i] = (own[i] ?? 0) & (mask[i] ?? 0);
  duckdb.copy_data_to_vector_validity(vector, 0, own.buffer, 0, bytes);
  return own;
}

function writeBooleans(vector: duckdb.Vector, column: ColumnView, start: number, count: number): void {
  const bytes = (count + 7) >> 3;
  const booleans = scratchOf(bytes * 8);
  let bits = column.data;
  let from = start >> 3;
  if ((start & 7) !== 0) {
    bits = new Uint8Array(bytes);
    copyBits(column.data, start, count, bits);
    from = 0;
  }
  for (let i = 0; i < bytes; i++) booleans[i] = BOOLEANS[bits[from + i] ?? 0] ?? 0;
  duckdb.copy_data_to_vector(vector, 0, booleans.buffer, 0, count);
}

/** A list vector holds `{offset, length}` as two uint64 per row, and a child of its own capacity. */
function writeList(vector: duckdb.Vector, column: ColumnView, start: number, count: number): void {
  const { offsets } = column;
  const first = offsets[start] ?? 0;
  const elements = (offsets[start + count] ?? 0) - first;
  const words = new Uint32Array(scratchOf(count * 16).buffer, 0, count * 4);
  for (let row = 0; row < count; row++) {
    const from = offsets[start + row] ?? 0;
    words[4 * row] = from - first;
    words[4 * row + 1] = 0;
    words[4 * row + 2] = (offsets[start + row + 1] ?? 0) - from;
    words[4 * row + 3] = 0;
  }
  duckdb.copy_data_to_vector(vector, 0, words.buffer, 0, count * 16);
  duckdb.list_vector_reserve(vector, elements);
  duckdb.list_vector_set_size(vector, elements);
  // Reserving may have moved the child, so it is fetched afterwards.
  const child = must(column.children[0], "a list's child");
  writeColumn(duckdb.list_vector_get_child(vector), child, first, elements);
}

function writeStruct(vector: duckdb.Vector, column: ColumnView, start: number, count: number, mask?: Uint8Array): void {
  for (const [i, child] of column.children.entries()) {
    writeColumn(duckdb.struct_vector_get_child(vector, i), child, start, count, mask);
  }
}

/** Bodies come from sockets and workers; none is shared memory. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer as ArrayBuffer;
}
