import duckdb from "@duckdb/node-bindings";
import { EiderError } from "../errors.ts";
import { ByteSink } from "./byte-sink.ts";
import type { FrameBody } from "./frame-body.ts";
import { RowBits } from "./row-bits.ts";

/**
 * One column of the batches that are being built. Rows of the vector opened last are measured and appended in ranges;
 * `finish` hands the batch's part over and starts anew.
 */
export interface ColumnEncoder {
  open(vector: duckdb.Vector, count: number): void;
  /** Bytes that the rows `from .. to` add to the body, without padding. */
  measure(from: number, to: number): number;
  append(from: number, to: number): void;
  /** What is added to the body stays untouched until the next `append`. */
  finish(body: FrameBody): void;
}

/** Fixed-width values that Arrow keeps as DuckDB does. */
export class CopyEncoder implements ColumnEncoder {
  readonly #width: number;
  readonly #bits = new RowBits();
  readonly #sink = new ByteSink();
  #data: Uint8Array = this.#sink.contents;

  constructor(width: number) {
    this.#width = width;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    this.#data = duckdb.vector_get_data(vector, count * this.#width);
  }

  measure(from: number, to: number): number {
    return (to - from) * this.#width;
  }

  append(from: number, to: number): void {
    const width = this.#width;
    this.#bits.append(from, to);
    this.#sink.append(this.#data.subarray(from * width, to * width));
    if (!this.#bits.hasNulls) return;
    // A NULL's slot is memory that DuckDB never wrote; it is nobody's to read.
    const start = this.#sink.length - to * width;
    for (let row = from; row < to; row++) {
      if (this.#bits.isNull(row)) this.#sink.bytes.fill(0, start + row * width, start + (row + 1) * width);
    }
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    body.addBuffer(this.#sink.contents);
    this.#sink.clear();
  }
}

/** Reads the value at row `row` of `source` and writes it at byte `at` of `target`; throws a text when Arrow has none. */
export type ValueWriter = (source: DataView, row: number, target: DataView, at: number) => void;

/** Fixed-width values whose Arrow form differs; NULL slots are 0. */
export class ConvertEncoder implements ColumnEncoder {
  readonly #sourceWidth: number;
  readonly #width: number;
  readonly #write: ValueWriter;
  readonly #bits = new RowBits();
  readonly #sink = new ByteSink();
  #data = this.#sink.view;

  constructor(sourceWidth: number, width: number, write: ValueWriter) {
    this.#sourceWidth = sourceWidth;
    this.#width = width;
    this.#write = write;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    const data = duckdb.vector_get_data(vector, count * this.#sourceWidth);
    this.#data = new DataView(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  measure(from: number, to: number): number {
    return (to - from) * this.#width;
  }

  append(from: number, to: number): void {
    const width = this.#width;
    const sink = this.#sink;
    this.#bits.append(from, to);
    sink.reserve((to - from) * width);
    const { view } = sink;
    let at = sink.length;
    for (let row = from; row < to; row++) {
      if (this.#bits.isNull(row)) sink.bytes.fill(0, at, at + width);
      else this.#write(this.#data, row, view, at);
      at += width;
    }
    sink.length = at;
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    body.addBuffer(this.#sink.contents);
    this.#sink.clear();
  }
}

/** DuckDB's booleans are a byte each, Arrow's a bit. */
export class BooleanEncoder implements ColumnEncoder {
  readonly #bits = new RowBits();
  readonly #sink = new ByteSink();
  #data: Uint8Array = this.#sink.contents;
  #length = 0;

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    this.#data = duckdb.vector_get_data(vector, count);
  }

  measure(from: number, to: number): number {
    return (to - from + 7) >> 3;
  }

  append(from: number, to: number): void {
    const data = this.#data;
    const sink = this.#sink;
    this.#bits.append(from, to);
    const bytes = (this.#length + to - from + 7) >> 3;
    sink.reserve(bytes - sink.length);
    sink.bytes.fill(0, sink.length, bytes);
    sink.length = bytes;
    const target = sink.bytes;
    let row = from;
    let bit = this.#length;
    for (; row < to && (bit & 7) !== 0; row++, bit++) {
      target[bit >> 3] = (target[bit >> 3] ?? 0) | (((data[row] ?? 0) & 1) << (bit & 7));
    }
    for (; row + 8 <= to; row += 8, bit += 8) {
      let byte = 0;
      for (let i = 0; i < 8; i++) byte |= ((data[row + i] ?? 0) & 1) << i;
      target[bit >> 3] = byte;
    }
    for (; row < to; row++, bit++) {
      target[bit >> 3] = (target[bit >> 3] ?? 0) | (((data[row] ?? 0) & 1) << (bit & 7));
    }
    this.#length = bit;
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    body.addBuffer(this.#sink.contents);
    this.#sink.clear();
    this.#length = 0;
  }
}

/** Arrow's null type: a length and no buffers. */
export class NullEncoder implements ColumnEncoder {
  #length = 0;

  open(): void {}

  measure(): number {
    return 0;
  }

  append(from: number, to: number): void {
    this.#length += to - from;
  }

  finish(body: FrameBody): void {
    body.addNode(this.#length, this.#length);
    this.#length = 0;
  }
}

export function beyond(column: string, value: unknown, arrowType: string, advice: string): EiderError {
  return new EiderError("sql_invalid", `column "${column}": ${value} is beyond Arrow's ${arrowType}; ${advice}`);
}
