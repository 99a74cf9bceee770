import duckdb from "@duckdb/node-bindings";
import { ByteSink } from "./byte-sink.ts";
import { OffsetSink } from "./encode-bytes.ts";
import type { ColumnEncoder } from "./encode-column.ts";
import type { FrameBody } from "./frame-body.ts";
import { RowBits } from "./row-bits.ts";

/** LIST and MAP: DuckDB has an offset and a length per row (uint64 each), in any order, Arrow offsets that rise. */
export class ListEncoder implements ColumnEncoder {
  readonly #child: ColumnEncoder;
  readonly #bits = new RowBits();
  readonly #offsets = new OffsetSink();
  #words = new Uint32Array(0);
  #elements = 0;

  constructor(child: ColumnEncoder) {
    this.#child = child;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    const data = duckdb.vector_get_data(vector, count * 16);
    this.#words = new Uint32Array(data.buffer as ArrayBuffer, data.byteOffset, count * 4);
    this.#child.open(duckdb.list_vector_get_child(vector), duckdb.list_vector_get_size(vector));
  }

  measure(from: number, to: number): number {
    let bytes = 4 * (to - from);
    this.#ranges(from, to, (first, end) => {
      bytes += this.#child.measure(first, end);
    });
    return bytes;
  }

  append(from: number, to: number): void {
    this.#bits.append(from, to);
    this.#offsets.reserve(to - from);
    for (let row = from; row < to; row++) {
      this.#elements += this.#bits.isNull(row) ? 0 : (this.#words[4 * row + 2] ?? 0);
      this.#offsets.push(this.#elements);
    }
    this.#ranges(from, to, (first, end) => this.#child.append(first, end));
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    this.#offsets.finish(body);
    this.#child.finish(body);
    this.#elements = 0;
  }

  /** Calls `visit` with the ranges of elements that the rows take, neighbours joined. */
  #ranges(from: number, to: number, visit: (first: number, end: number) => void): void {
    let first = 0;
    let end = 0;
    for (let row = from; row < to; row++) {
      if (this.#bits.isNull(row)) continue;
      const offset = this.#words[4 * row] ?? 0;
      const length = this.#words[4 * row + 2] ?? 0;
      if (length === 0) continue;
      if (offset === end && end > first) end += length;
      else {
        if (end > first) visit(first, end);
        first = offset;
        end = offset + length;
      }
    }
    if (end > first) visit(first, end);
  }
}

/** ARRAY: every row has its elements, NULL rows too. */
export class ArrayEncoder implements ColumnEncoder {
  readonly #child: ColumnEncoder;
  readonly #size: number;
  readonly #bits = new RowBits();

  constructor(child: ColumnEncoder, size: number) {
    this.#child = child;
    this.#size = size;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    this.#child.open(duckdb.array_vector_get_child(vector), count * this.#size);
  }

  measure(from: number, to: number): number {
    return this.#child.measure(from * this.#size, to * this.#size);
  }

  append(from: number, to: number): void {
    this.#bits.append(from, to);
    this.#child.append(from * this.#size, to * this.#size);
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    this.#child.finish(body);
  }
}

export class StructEncoder implements ColumnEncoder {
  readonly #children: readonly ColumnEncoder[];
  readonly #bits = new RowBits();

  constructor(children: readonly ColumnEncoder[]) {
    this.#children = children;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    for (const [i, child] of this.#children.entries()) child.open(duckdb.struct_vector_get_child(vector, i), count);
  }

  measure(from: number, to: number): number {
    return sumOf(this.#children, from, to);
  }

  append(from: number, to: number): void {
    this.#bits.append(from, to);
    for (const child of this.#children) child.append(from, to);
  }

  finish(body: FrameBody): void {
    this.#bits.finish(body);
    for (const child of this.#children) child.finish(body);
  }
}

/** UNION: DuckDB keeps a struct of a tag and all members, which is Arrow's sparse union; that has no validity of its own. */
export class UnionEncoder implements ColumnEncoder {
  readonly #children: readonly ColumnEncoder[];
  readonly #bits = new RowBits();
  readonly #tags = new ByteSink();
  #data: Uint8Array = this.#tags.contents;

  constructor(children: readonly ColumnEncoder[]) {
    this.#children = children;
  }

  open(vector: duckdb.Vector, count: number): void {
    this.#bits.open(vector, count);
    this.#data = duckdb.vector_get_data(duckdb.struct_vector_get_child(vector, 0), count);
    for (const [i, child] of this.#children.entries()) child.open(duckdb.struct_vector_get_child(vector, i + 1), count);
  }

  measure(from: number, to: number): number {
    return to - from + sumOf(this.#children, from, to);
  }

  append(from: number, to: number): void {
    this.#tags.reserve(to - from);
    // A NULL union has no tag; all of its members are NULL, the first one included.
    for (let row = from; row < to; row++) {
      this.#tags.bytes[this.#tags.length++] = this.#bits.isNull(row) ? 0 : (this.#data[row] ?? 0);
    }
    for (const child of this.#children) child.append(from, to);
  }

  finish(body: FrameBody): void {
    body.addNode(this.#tags.length, 0);
    body.addBuffer(this.#tags.contents);
    this.#tags.clear();
    for (const child of this.#children) child.finish(body);
  }
}

function sumOf(children: readonly ColumnEncoder[], from: number, to: number): number {
  let bytes = 0;
  for (const child of children) bytes += child.measure(from, to);
  return bytes;
}
