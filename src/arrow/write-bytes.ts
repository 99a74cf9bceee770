import duckdb from "@duckdb/node-bindings";
import { assert } from "../base/assert.ts";
import type { ColumnView } from "./column-view.ts";

/**
 * Texts and blobs into a vector of DuckDB's 16-byte `string_t`: a length, then up to 12 bytes in place (padded with
 * zeros, since DuckDB compares all 12), or 4 bytes of prefix and a pointer
 * (https://github.com/duckdb/duckdb/blob/main/src/include/duckdb/common/types/string_type.hpp).
 *
 * One call assigns the whole range of bytes to the vector's first element, which copies it to the vector's heap. The
 * heap's address is read back from that element, every element is then written with pointers into the range, the first
 * one included. The heap lives until the chunk is reset.
 */

const INLINE_BYTES = 12;
const WORD = 2 ** 32;
/** Masks for the three words of a text in place, by its length. */
const MASKS = Array.from({ length: 3 }, (_, word) =>
  Int32Array.from({ length: INLINE_BYTES + 1 }, (_unused, length) => {
    const bytes = Math.min(Math.max(length - 4 * word, 0), 4);
    return bytes === 4 ? -1 : 2 ** (8 * bytes) - 1;
  }),
);
const [MASK_0, MASK_1, MASK_2] = MASKS as [Int32Array, Int32Array, Int32Array];
/** Staging that stays allocated; a list's child may need more once. */
const KEEP_ROWS = 65_536;

let staging = new Int32Array(2048 * 4);

function stagingOf(rows: number): Int32Array<ArrayBuffer> {
  if (rows > KEEP_ROWS) return new Int32Array(rows * 4);
  if (staging.length < rows * 4) staging = new Int32Array(rows * 4);
  return staging;
}

export function writeBytes(vector: duckdb.Vector, column: ColumnView, start: number, count: number): void {
  const { offsets, data } = column;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const words = stagingOf(count);
  const first = offsets[start] ?? 0;
  let heap = -1;
  let from = first;
  for (let row = 0; row < count; row++) {
    const to = offsets[start + row + 1] ?? 0;
    const length = to - from;
    const at = 4 * row;
    words[at] = length;
    if (length <= INLINE_BYTES) {
      if (from + INLINE_BYTES <= data.byteLength) {
        words[at + 1] = view.getInt32(from, true) & (MASK_0[length] ?? 0);
        words[at + 2] = view.getInt32(from + 4, true) & (MASK_1[length] ?? 0);
        words[at + 3] = view.getInt32(from + 8, true) & (MASK_2[length] ?? 0);
      } else writeTail(words, at + 1, data, from, length);
    } else {
      if (heap < 0) heap = assignRange(vector, data.subarray(first, offsets[start + count]));
      const pointer = heap + (from - first);
      words[at + 1] = view.getInt32(from, true);
      words[at + 2] = (pointer % WORD) | 0;
      words[at + 3] = (pointer / WORD) | 0;
    }
    from = to;
  }
  duckdb.copy_data_to_vector(vector, 0, words.buffer, 0, count * 16);
}

/** The last texts of a buffer: reading three whole words would go beyond it. */
function writeTail(words: Int32Array, at: number, data: Uint8Array, from: number, length: number): void {
  words[at] = 0;
  words[at + 1] = 0;
  words[at + 2] = 0;
  for (let i = 0; i < length; i++) {
    words[at + (i >> 2)] = (words[at + (i >> 2)] ?? 0) | ((data[from + i] ?? 0) << (8 * (i & 3)));
  }
}

/** Copies the range to the vector's heap and returns its address there; addresses of user space fit a double exactly. */
function assignRange(vector: duckdb.Vector, range: Uint8Array): number {
  duckdb.vector_assign_string_element_len(vector, 0, range);
  const element = duckdb.vector_get_data(vector, 16);
  const view = new DataView(element.buffer, element.byteOffset, 16);
  // DuckDB puts NULL here when it does not take a text for UTF-8; the decoder has refused such a text.
  assert(view.getUint32(0, true) === range.byteLength, "DuckDB took the whole range of bytes");
  return view.getUint32(8, true) + view.getUint32(12, true) * WORD;
}
