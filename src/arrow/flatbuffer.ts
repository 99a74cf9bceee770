import { EiderError } from "../errors.ts";

/**
 * Reading FlatBuffers that a client wrote. Generated readers trust their input: a forged vector length makes them loop
 * for minutes, a forged offset makes them read somewhere else. Here every position is checked before it is read.
 * Layout: https://flatbuffers.dev/internals/
 */

export function malformed(what: string): EiderError {
  return new EiderError("request_invalid", `malformed Arrow message: ${what}`);
}

/** `count` elements from `start` on, all of them inside the buffer. */
export interface FlatVector {
  readonly start: number;
  readonly count: number;
}

/**
 * What may be read of one buffer. References may share their targets, so a small forged buffer can unfold to any size;
 * the size of the buffer bounds nothing.
 */
interface Budget {
  tables: number;
  stringBytes: number;
}

const MAX_TABLES = 100_000;
const MAX_STRING_BYTES = 64 * 2 ** 20;

const EMPTY: FlatVector = { start: 0, count: 0 };
const WORD = 2 ** 32;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A signed 64-bit integer as a number; throws when a number cannot hold it. */
export function readInt64(view: DataView, position: number, what: string): number {
  const value = view.getInt32(position + 4, true) * WORD + view.getUint32(position, true);
  if (!Number.isSafeInteger(value)) throw malformed(`${what} is out of range`);
  return value;
}

export class FlatTable {
  readonly view: DataView;
  readonly #position: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;
  readonly #budget: Budget;

  private constructor(view: DataView, position: number, budget: Budget) {
    this.view = view;
    this.#budget = budget;
    budget.tables--;
    if (budget.tables < 0) throw malformed(`the header has more than ${MAX_TABLES} tables`);
    this.#position = position;
    this.#vtable = position - this.#checked(position, 4, "a table").getInt32(position, true);
    this.#vtableBytes = this.#checked(this.#vtable, 4, "a vtable").getUint16(this.#vtable, true);
    this.#checked(this.#vtable, Math.max(this.#vtableBytes, 4), "a vtable");
  }

  /** The root table of a bare FlatBuffer. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.byteLength < 8) throw malformed(`a header of ${bytes.byteLength} bytes is too short`);
    return new FlatTable(view, view.getUint32(0, true), { tables: MAX_TABLES, stringBytes: MAX_STRING_BYTES });
  }

  int8(slot: number, fallback = 0): number {
    const position = this.#field(slot, 1);
    return position < 0 ? fallback : this.view.getInt8(position);
  }

  uint8(slot: number, fallback = 0): number {
    const position = this.#field(slot, 1);
    return position < 0 ? fallback : this.view.getUint8(position);
  }

  bool(slot: number): boolean {
    return this.uint8(slot) !== 0;
  }

  int16(slot: number, fallback = 0): number {
    const position = this.#field(slot, 2);
    return position < 0 ? fallback : this.view.getInt16(position, true);
  }

  int32(slot: number, fallback = 0): number {
    const position = this.#field(slot, 4);
    return position < 0 ? fallback : this.view.getInt32(position, true);
  }

  int64(slot: number, what: string): number {
    const position = this.#field(slot, 8);
    return position < 0 ? 0 : readInt64(this.view, position, what);
  }

  table(slot: number): FlatTable | undefined {
    const position = this.#reference(slot);
    return position < 0 ? undefined : new FlatTable(this.view, position, this.#budget);
  }

  vector(slot: number, elementBytes: number): FlatVector {
    const position = this.#reference(slot);
    if (position < 0) return EMPTY;
    const count = this.#checked(position, 4, "a vector").getUint32(position, true);
    this.#checked(position + 4, count * elementBytes, "a vector");
    return { start: position + 4, count };
  }

  tables(slot: number): FlatTable[] {
    const { start, count } = this.vector(slot, 4);
    if (count > this.#budget.tables) throw malformed(`the header has more than ${MAX_TABLES} tables`);
    return Array.from({ length: count }, (_, i) => {
      const position = start + 4 * i;
      return new FlatTable(this.view, position + this.view.getUint32(position, true), this.#budget);
    });
  }

  string(slot: number): string | undefined {
    const { start, count } = this.vector(slot, 1);
    if (start === 0) return undefined;
    this.#budget.stringBytes -= count;
    if (this.#budget.stringBytes < 0) throw malformed(`the header has more than ${MAX_STRING_BYTES} bytes of text`);
    try {
      return utf8.decode(new Uint8Array(this.view.buffer, this.view.byteOffset + start, count));
    } catch {
      throw malformed("a name is not valid UTF-8");
    }
  }

  /** Position of a field, or -1 when it is absent. */
  #field(slot: number, bytes: number): number {
    const entry = 4 + 2 * slot;
    if (entry + 2 > this.#vtableBytes) return -1;
    const offset = this.view.getUint16(this.#vtable + entry, true);
    if (offset === 0) return -1;
    this.#checked(this.#position + offset, bytes, "a field");
    return this.#position + offset;
  }

  #reference(slot: number): number {
    const position = this.#field(slot, 4);
    return position < 0 ? -1 : position + this.view.getUint32(position, true);
  }

  #checked(position: number, bytes: number, what: string): DataView {
    if (position < 0 || position + bytes > this.view.byteLength) throw malformed(`${what} lies outside of the header`);
    return this.view;
  }
}
