import duckdb from "@duckdb/node-bindings";

/**
 * Reads the long values of a vector of `string_t` from DuckDB's heap, a span of neighbours at a time: a native call per
 * value would cost more than the value. A span may have gaps of less than a page, since the bytes of a gap then lie on a
 * page of one of its neighbours; nothing else is known to be readable.
 */

const INLINE_BYTES = 12;
const WORD = 2 ** 32;
const MAX_GAP_BYTES = 4095;

interface Span {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

export class HeapSpans {
  readonly #words: Int32Array;
  readonly #spans: Span[] = [];
  #last = 0;

  /** `words` is the vector's data, four words per row; `isNull` tells the rows whose slots hold anything. */
  constructor(
    words: Int32Array<ArrayBuffer>,
    from: number,
    to: number,
    isNull: ((row: number) => boolean) | undefined,
  ) {
    this.#words = words;
    let rows: number[] | undefined;
    let first = -1;
    let start = 0;
    let end = 0;
    for (let row = from; row < to; row++) {
      const length = words[4 * row] ?? 0;
      if (length <= INLINE_BYTES || isNull?.(row)) continue;
      const pointer = this.pointer(row);
      if (first >= 0 && pointer < start) {
        rows = rowsByPointer(this, words, from, to, isNull);
        break;
      }
      if (first >= 0 && pointer <= end + MAX_GAP_BYTES) {
        if (pointer + length > end) end = pointer + length;
        continue;
      }
      if (first >= 0) this.#add(first, start, end);
      first = row;
      start = pointer;
      end = pointer + length;
    }
    if (rows) this.#addSorted(rows);
    else if (first >= 0) this.#add(first, start, end);
  }

  pointer(row: number): number {
    return (this.#words[4 * row + 3] ?? 0) * WORD + ((this.#words[4 * row + 2] ?? 0) >>> 0);
  }

  /** The span that holds the value at `pointer`. */
  find(pointer: number): Span {
    for (let tries = 0; tries < 2; tries++) {
      const span = this.#spans[this.#last + tries];
      if (span && pointer >= span.start && pointer < span.end) {
        this.#last += tries;
        return span;
      }
    }
    let low = 0;
    let high = this.#spans.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#spans[middle]?.start ?? 0) <= pointer) low = middle;
      else high = middle - 1;
    }
    this.#last = low;
    return this.#spans[low] as Span;
  }

  #addSorted(rows: readonly number[]): void {
    this.#spans.length = 0;
    let first = -1;
    let start = 0;
    let end = 0;
    for (const row of rows) {
      const pointer = this.pointer(row);
      const after = pointer + (this.#words[4 * row] ?? 0);
      if (first >= 0 && pointer <= end + MAX_GAP_BYTES) {
        if (after > end) end = after;
        continue;
      }
      if (first >= 0) this.#add(first, start, end);
      first = row;
      start = pointer;
      end = after;
    }
    if (first >= 0) this.#add(first, start, end);
  }

  /** `row` is the one whose pointer is `start`. */
  #add(row: number, start: number, end: number): void {
    const { buffer, byteOffset } = this.#words;
    const bytes = duckdb.get_data_from_pointer(buffer as ArrayBuffer, byteOffset + row * 16 + 8, end - start);
    this.#spans.push({ start, end, bytes });
  }
}

function rowsByPointer(
  heap: HeapSpans,
  words: Int32Array,
  from: number,
  to: number,
  isNull: ((row: number) => boolean) | undefined,
): number[] {
  const rows: number[] = [];
  for (let row = from; row < to; row++) if ((words[4 * row] ?? 0) > INLINE_BYTES && !isNull?.(row)) rows.push(row);
  return rows.sort((a, b) => heap.pointer(a) - heap.pointer(b));
}
