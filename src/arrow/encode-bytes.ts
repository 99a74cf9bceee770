import duckdb from "@duckdb/node-bindings";
import { ByteSink } from "./byte-sink.ts";
import type { ColumnEncoder } from "./encode-column.ts";
import type { FrameBody } from "./frame-body.ts";
import { HeapSpans } from "./heap-spans.ts";
import { RowBits } from "./row-bits.ts";

const INLINE_BYTES = 12;

/** Offsets of a variable-width column: one more than rows, the first 0. */
export class OffsetSink {
  readonly #sink = new ByteSink();

  constructor() {
    this.clear();
  }

  reserve(rows: number): void {
    this.#sink.reserve(rows * 4);
  }

  /** Room for the row was reserved. */
  push(end: number): void {
    this.#sink.view.setInt32(this.#sink.length, end, true);
    this.#sink.length += 4;
  }

  finish(body: FrameBody): void {
    body.addBuffer(this.#sink.contents);
    // The offset before the first row is 0 already, so clearing changes nothing that the body holds.
    this.clear();
  }

  clear(): void {
    this.#sink.clear();
    this.#sink.reserve(4);
    this.push(0);
  }
}

/** VARCHAR and BLOB to utf8 and binary. */
export class BytesEncoder implements ColumnEncoder {
  readonly #bits = new RowBits();
  readonly #offsets = new OffsetSink();
  readonly #sink = new ByteSink();
  readonly #isNull = (row: number): boolean => this.#bits.isNull(row);
  #words = new Int32Array(0);
  /** The range that was measured last, which is nearly always the one that is appended next. */
  #measured = { from: -1, to: -1, bytes: 0 };

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    const data = duckdb.vector_get_data(vector, count * 16);
    this.#words = new Int32Array(data.buffer as ArrayBuffer, data.byteOffset, count * 4);
    this.#measured.from = -1;
  }

  measure(from: number, to: number): number {
    return this.#textBytes(from, to) + 4 * (to - from);
  }

  append(from: number, to: number): void {
    const words = this.#words;
    const sink = this.#sink;
    const isNull = this.#bits.hasNulls ? this.#isNull : undefined;
    this.#bits.append(from, to);
    this.#offsets.reserve(to - from);
    // A text in place is written as three whole words.
    sink.reserve(this.#textBytes(from, to) + INLINE_BYTES);
    const spans = new HeapSpans(words, from, to, isNull);
    const { bytes, view } = sink;
    let at = sink.length;
    for (let row = from; row < to; row++) {
      if (isNull?.(row)) {
        this.#offsets.push(at);
        continue;
      }
      const length = words[4 * row] ?? 0;
      if (length <= INLINE_BYTES) {
        view.setInt32(at, words[4 * row + 1] ?? 0, true);
        view.setInt32(at + 4, words[4 * row + 2] ?? 0, true);
        view.setInt32(at + 8, words[4 * row + 3] ?? 0, true);
        at += length;
        this.#offsets.push(at);
        continue;
      }
      const pointer = spans.pointer(row);
      const span = spans.find(pointer);
      const start = pointer - span.start;
      let end = start + length;
      const base = at - start;
      this.#offsets.push(base + end);
      // Values that follow each other in the heap are copied together.
      while (row + 1 < to && (words[4 * row + 4] ?? 0) > INLINE_BYTES && !isNull?.(row + 1)) {
        if (spans.pointer(row + 1) !== span.start + end || span.start + end >= span.end) break;
        row++;
        end += words[4 * row] ?? 0;
        this.#offsets.push(base + end);
      }
      bytes.set(span.bytes.subarray(start, end), at);
      at += end - start;
    }
    sink.length = at;
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    this.#offsets.finish(body);
    body.addBuffer(this.#sink.contents);
    this.#sink.clear();
  }

  #textBytes(from: number, to: number): number {
    const measured = this.#measured;
    if (measured.from === from && measured.to === to) return measured.bytes;
    const words = this.#words;
    let bytes = 0;
    if (this.#bits.hasNulls) {
      for (let row = from; row < to; row++) if (!this.#bits.isNull(row)) bytes += words[4 * row] ?? 0;
    } else for (let row = from; row < to; row++) bytes += words[4 * row] ?? 0;
    measured.from = from;
    measured.to = to;
    measured.bytes = bytes;
    return bytes;
  }
}

/** Values that have no Arrow type of their own, as text. */
export class FormattedEncoder implements ColumnEncoder {
  readonly #bits = new RowBits();
  readonly #offsets = new OffsetSink();
  readonly #sink = new ByteSink();
  readonly #read: (vector: duckdb.Vector, count: number) => (row: number) => Uint8Array;
  #textOf: (row: number) => Uint8Array = () => this.#sink.contents;

  constructor(read: (vector: duckdb.Vector, count: number) => (row: number) => Uint8Array) {
    this.#read = read;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    this.#textOf = this.#read(vector, count);
  }

  measure(from: number, to: number): number {
    let bytes = 4 * (to - from);
    for (let row = from; row < to; row++) if (!this.#bits.isNull(row)) bytes += this.#textOf(row).byteLength;
    return bytes;
  }

  append(from: number, to: number): void {
    this.#bits.append(from, to);
    this.#offsets.reserve(to - from);
    for (let row = from; row < to; row++) {
      if (!this.#bits.isNull(row)) this.#sink.append(this.#textOf(row));
      this.#offsets.push(this.#sink.length);
    }
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    this.#offsets.finish(body);
    body.addBuffer(this.#sink.contents);
    this.#sink.clear();
  }
}
