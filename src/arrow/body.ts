import { EiderError } from "../errors.ts";
import { type BatchHeader, LZ4_FRAME, ZSTD } from "./batch-header.ts";
import { malformed, readInt64 } from "./flatbuffer.ts";
import { decompressLz4 } from "./lz4.ts";
import { decompressZstd } from "./zstd.ts";

/** Rows that a column without any bytes (the null type, a struct without buffers) may claim. */
const MAX_ROWS_WITHOUT_BYTES = 2 ** 20;

/**
 * A cursor over a batch's nodes and buffers, in the order in which the schema's fields take them. Each is checked
 * against the header and the body when it is taken.
 */
export class BodyReader {
  /** Of the node taken last. */
  length = 0;
  nullCount = 0;
  readonly #header: BatchHeader;
  readonly #body: Uint8Array;
  readonly #maxLength: number;
  readonly #limitBytes: number;
  #bytesLeft: number;
  #node = 0;
  #buffer = 0;
  #variadic = 0;

  /** `limitBytes` bounds what decompressed, repeated and gathered values may take in all. */
  constructor(header: BatchHeader, body: Uint8Array, limitBytes: number) {
    if (header.bodyLength > body.byteLength) {
      throw malformed(`the body has ${body.byteLength} bytes, but its header says ${header.bodyLength}`);
    }
    this.#header = header;
    // Buffers start at multiples of 8 within the body, and typed arrays want that of memory. A Node Buffer is made a plain
    // array either way: `slice` of a Buffer copies nothing.
    this.#body =
      body.byteOffset & 7 ? new Uint8Array(body) : new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
    this.#limitBytes = limitBytes;
    this.#bytesLeft = limitBytes;
    // No value takes less than a bit, so a longer column could only be a forged one.
    this.#maxLength = Math.max(8 * (header.codec === undefined ? body.byteLength : limitBytes), MAX_ROWS_WITHOUT_BYTES);
    this.checkLength(header.rowCount, "the batch");
  }

  checkLength(length: number, what: string): void {
    if (length < 0 || length > this.#maxLength) {
      throw malformed(`${what} claims ${length} rows in a body of ${this.#body.byteLength} bytes`);
    }
  }

  /** Takes the next field node: sets `length` and `nullCount`. */
  takeNode(path: string): void {
    const { nodes, view } = this.#header;
    if (this.#node >= nodes.count) throw malformed(`column "${path}" has no field node`);
    const at = nodes.start + 16 * this.#node++;
    this.length = readInt64(view, at, `the length of column "${path}"`);
    this.nullCount = readInt64(view, at + 8, `the null count of column "${path}"`);
    this.checkLength(this.length, `column "${path}"`);
    // -1: not counted, as arrow-js says of a list's items that are a part of others.
    if (this.nullCount < -1 || this.nullCount > this.length) {
      throw malformed(`column "${path}" claims ${this.nullCount} NULLs in ${this.length} rows`);
    }
  }

  /** The next buffer, decompressed, with at least `minBytes` bytes. */
  takeBuffer(path: string, minBytes: number): Uint8Array {
    const { buffers, view } = this.#header;
    if (this.#buffer >= buffers.count) throw malformed(`column "${path}" lacks a buffer`);
    const at = buffers.start + 16 * this.#buffer++;
    const offset = readInt64(view, at, `a buffer offset of column "${path}"`);
    const length = readInt64(view, at + 8, `a buffer length of column "${path}"`);
    if (offset < 0 || length < 0 || offset + length > this.#body.byteLength) {
      throw malformed(
        `a buffer of column "${path}" lies outside of the body (${length} bytes at ${offset} of ${this.#body.byteLength})`,
      );
    }
    const stored = this.#body.subarray(offset, offset + length);
    const bytes = this.#header.codec === undefined || length === 0 ? stored : this.#decompress(stored, path);
    if (bytes.byteLength < minBytes) {
      throw malformed(`a buffer of column "${path}" has ${bytes.byteLength} bytes, but its rows need ${minBytes}`);
    }
    return bytes;
  }

  /** The next column's number of variadic buffers. */
  takeVariadicCount(path: string): number {
    const { variadicCounts, buffers, view } = this.#header;
    if (this.#variadic >= variadicCounts.count) throw malformed(`column "${path}" lacks its number of data buffers`);
    const count = readInt64(view, variadicCounts.start + 8 * this.#variadic++, "a number of data buffers");
    if (count < 0 || count > buffers.count) throw malformed(`column "${path}" claims ${count} data buffers`);
    return count;
  }

  /** Counts bytes that the batch unfolds to beyond its body; throws when they are too many. */
  reserve(bytes: number, path: string): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) {
      throw new EiderError(
        "request_invalid",
        `column "${path}": the batch unfolds to more than ${this.#limitBytes} bytes; send smaller batches`,
      );
    }
  }

  /** All nodes and buffers must have been taken. */
  finish(): void {
    const { nodes, buffers } = this.#header;
    if (this.#node !== nodes.count) throw malformed(`${nodes.count} field nodes where the schema has ${this.#node}`);
    if (this.#buffer !== buffers.count)
      throw malformed(`${buffers.count} buffers where the schema has ${this.#buffer}`);
  }

  /** Body compression puts the uncompressed length before each buffer; -1 marks one that is not compressed. */
  #decompress(stored: Uint8Array, path: string): Uint8Array {
    if (stored.byteLength < 8) throw malformed(`a compressed buffer of column "${path}" is cut short`);
    const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
    const length = readInt64(view, 0, `an uncompressed length of column "${path}"`);
    const data = stored.subarray(8);
    if (length === -1) return data;
    if (length < 0) throw malformed(`column "${path}" has an uncompressed length of ${length}`);
    this.reserve(length, path);
    const target = new Uint8Array(length);
    if (length === 0) return target;
    if (this.#header.codec === LZ4_FRAME) decompressLz4(data, target);
    else if (this.#header.codec === ZSTD) decompressZstd(data, target);
    else throw malformed(`unknown compression codec ${this.#header.codec}`);
    return target;
  }
}
