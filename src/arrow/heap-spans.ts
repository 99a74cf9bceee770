import duckdb from "@duckdb/node-bindings";

/**
 * Reads the long values of a vector of `string_t` from DuckDB's heap, a span of neighbours at a time: a native call per
 * value would cost more than the value. A span may have gaps of less than a page, since the bytes of a gap then lie on a
 * page of one of its neighbours; nothing else is known to be readable.
 *
 * DuckDB's string heap is a chain of growing blocks, each filled from its start: a vector that was filled in order is a
 * few rising runs of pointers. One whose pointers jump about (from a dictionary, a sort, a join) is sorted by pointer
 * first.
 */

const INLINE_BYTES = 12;
const WORD = 2 ** 32;
const MAX_GAP_BYTES = 4095;
/** A vector of more runs than this is sorted: then few spans hold all of it, where there would be one per run. */
const MAX_RUNS = 24;

interface Span {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** Neighbouring values, before their bytes are fetched; `row` is the one whose pointer is `start`. */
interface Run {
  readonly row: number;
  readonly start: number;
  end: number;
}

export class HeapSpans {
  readonly #words: Int32Array;
  readonly #spans: Span[];
  /** The spans are in the order of their addresses, not of the rows. */
  readonly #isSorted: boolean;
  #last = 0;

  /** `words` is the vector's data, four words per row; `isNull` tells the rows whose slots hold anything. */
  constructor(
    words: Int32Array<ArrayBuffer>,
    from: number,
    to: number,
    isNull: ((row: number) => boolean) | undefined,
  ) {
    this.#words = words;
    const runs = this.#runsInOrder(from, to, isNull);
    this.#isSorted = runs === undefined;
    this.#spans = (runs ?? this.#runsByPointer(from, to, isNull)).map(({ row, start, end }) => ({
      start,
      end,
      bytes: duckdb.get_data_from_pointer(words.buffer, words.byteOffset + row * 16 + 8, end - start),
    }));
  }

  pointer(row: number): number {
    return (this.#words[4 * row + 3] ?? 0) * WORD + ((this.#words[4 * row + 2] ?? 0) >>> 0);
  }

  /** The span that holds the value at `pointer`. Rows must be asked for in their order. */
  find(pointer: number): Span {
    const spans = this.#spans;
    let at = this.#last;
    let span = spans[at] as Span;
    if (pointer >= span.start && pointer < span.end) return span;
    if (this.#isSorted) at = this.#search(pointer);
    else {
      // A row lies in its own run's span at the latest, and the runs begin in the order of the rows.
      do span = spans[++at] as Span;
      while (pointer < span.start || pointer >= span.end);
    }
    this.#last = at;
    return spans[at] as Span;
  }

  #search(pointer: number): number {
    let low = 0;
    let high = this.#spans.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#spans[middle]?.start ?? 0) <= pointer) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Undefined when there are too many. */
  #runsInOrder(from: number, to: number, isNull: ((row: number) => boolean) | undefined): Run[] | undefined {
    const words = this.#words;
    const runs: Run[] = [];
    let start = 0;
    let end = -1;
    for (let row = from; row < to; row++) {
      const length = words[4 * row] ?? 0;
      if (length <= INLINE_BYTES || isNull?.(row)) continue;
      const pointer = this.pointer(row);
      if (end >= 0 && pointer >= start && pointer <= end + MAX_GAP_BYTES) {
        if (pointer + length > end) end = pointer + length;
        continue;
      }
      close(runs, end);
      if (runs.length === MAX_RUNS) return undefined;
      start = pointer;
      end = pointer + length;
      runs.push({ row, start, end });
    }
    close(runs, end);
    return runs;
  }

  #runsByPointer(from: number, to: number, isNull: ((row: number) => boolean) | undefined): Run[] {
    const words = this.#words;
    const rows: number[] = [];
    for (let row = from; row < to; row++) if ((words[4 * row] ?? 0) > INLINE_BYTES && !isNull?.(row)) rows.push(row);
    rows.sort((a, b) => this.pointer(a) - this.pointer(b));
    const runs: Run[] = [];
    let end = -1;
    for (const row of rows) {
      const pointer = this.pointer(row);
      const after = pointer + (words[4 * row] ?? 0);
      if (end >= 0 && pointer <= end + MAX_GAP_BYTES) {
        if (after > end) end = after;
        continue;
      }
      close(runs, end);
      end = after;
      runs.push({ row, start: pointer, end });
    }
    close(runs, end);
    return runs;
  }
}

function close(runs: readonly Run[], end: number): void {
  const last = runs.at(-1);
  if (last) last.end = end;
}
