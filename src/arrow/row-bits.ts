import duckdb from "@duckdb/node-bindings";
import { appendBits, countOnes, setBits } from "./bits.ts";
import type { FrameBody } from "./frame-body.ts";

const NO_BYTES = new Uint8Array(0);

/** The validity bitmap of a column that is being encoded; left out of the batch when nothing is NULL. */
export class RowBits {
  /** Rows appended so far. */
  length = 0;
  #nullCount = 0;
  #bits = new Uint8Array(512);
  /** DuckDB's mask of the vector that is open; null: all rows are valid. */
  #mask: Uint8Array | null = null;

  open(vector: duckdb.Vector, count: number): void {
    this.#mask = count === 0 ? null : duckdb.vector_get_validity(vector, ((count + 63) >> 6) * 8);
  }

  get hasNulls(): boolean {
    return this.#mask !== null;
  }

  isNull(row: number): boolean {
    return this.#mask !== null && (((this.#mask[row >> 3] ?? 0) >> (row & 7)) & 1) === 0;
  }

  append(from: number, to: number): void {
    const count = to - from;
    if (this.#mask) {
      const nulls = count - countOnes(this.#mask, from, count);
      if (nulls > 0 && this.#nullCount === 0) {
        this.#reserve(count);
        setBits(this.#bits, 0, this.length);
      }
      this.#nullCount += nulls;
      if (this.#nullCount > 0) {
        this.#reserve(count);
        appendBits(this.#mask, from, count, this.#bits, this.length);
      }
    } else if (this.#nullCount > 0) {
      this.#reserve(count);
      setBits(this.#bits, this.length, count);
    }
    this.length += count;
  }

  /** Adds the column's node and bitmap to the batch and starts anew; the bitmap stays untouched until the next append. */
  finish(body: FrameBody): void {
    body.addNode(this.length, this.#nullCount);
    if (this.#nullCount === 0) body.addBuffer(NO_BYTES);
    else {
      body.addBuffer(this.#bits.subarray(0, (this.length + 7) >> 3));
      this.#bits = new Uint8Array(512);
    }
    this.length = 0;
    this.#nullCount = 0;
  }

  /** Bits beyond the length are 0, as `appendBits` needs them. */
  #reserve(count: number): void {
    const bytes = (this.length + count + 7) >> 3;
    if (bytes <= this.#bits.byteLength) return;
    const grown = new Uint8Array(Math.max(bytes, 2 * this.#bits.byteLength));
    grown.set(this.#bits);
    this.#bits = grown;
  }
}
