import { EiderError } from "../errors.ts";
import type { Frame } from "./frame.ts";
import { PREFIX_BYTES, prefixed } from "./grpc-prefix.ts";

/**
 * FlightData, the one message that carries rows. protobufjs would copy the body on its way out twice more, so this codec
 * reads and writes the four fields itself. Wire format: https://protobuf.dev/programming-guides/encoding/
 */
export interface FlightData extends Frame {
  /** The encoded FlightDescriptor; only in a DoPut's first message. */
  readonly descriptor: Uint8Array | undefined;
  readonly metadata: Uint8Array | undefined;
}

const DESCRIPTOR_TAG = (1 << 3) | 2;
const HEADER_TAG = (2 << 3) | 2;
const METADATA_TAG = (3 << 3) | 2;
const BODY_TAG = (1000 << 3) | 2;
const BODY_TAG_BYTES = 2;

const NOTHING: Uint8Array = new Uint8Array(0);

/** `Buffer.allocUnsafe` gives anything smaller than this out of a slab that other messages share. */
const POOLED_BYTES = Buffer.poolSize >>> 1;

/**
 * Views of `bytes`, no copy. What is returned shares one ArrayBuffer that holds nothing but this message, so that it may
 * be transferred to a worker: a message from Node's buffer pool is copied out of it first (it is below 4 KiB).
 */
export function decodeFlightData(bytes: Uint8Array): FlightData {
  const source = bytes.byteLength < POOLED_BYTES ? new Uint8Array(bytes) : bytes;
  const reader = new WireReader(source);
  let descriptor: Uint8Array | undefined;
  let metadata: Uint8Array | undefined;
  let header = NOTHING;
  let body = NOTHING;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === HEADER_TAG) header = reader.bytes();
    else if (tag === BODY_TAG) body = reader.bytes();
    else if (tag === METADATA_TAG) metadata = reader.bytes();
    else if (tag === DESCRIPTOR_TAG) descriptor = reader.bytes();
    else reader.skip(tag & 7);
  }
  return { descriptor, header, metadata: metadata?.length ? metadata : undefined, body };
}

/** What goes with a frame; `descriptor` is an encoded FlightDescriptor. */
export interface FrameExtras {
  readonly descriptor?: Uint8Array | undefined;
  readonly metadata?: Uint8Array | undefined;
}

/** With gRPC's prefix before it. A body that has room before it is sent from where it lies; another is copied once. */
export function encodeFlightData(frame: Frame & FrameExtras): Buffer {
  const { descriptor, header, body, metadata, room = 0 } = frame;
  const size =
    (descriptor ? fieldSize(descriptor, 1) : 0) +
    fieldSize(header, 1) +
    (metadata ? fieldSize(metadata, 1) : 0) +
    (body.length ? fieldSize(body, BODY_TAG_BYTES) : 0);
  const before = PREFIX_BYTES + size - body.length;
  const isInPlace = body.length > 0 && room >= before;
  const whole = isInPlace
    ? Buffer.from(body.buffer, body.byteOffset - before, before + body.length)
    : Buffer.allocUnsafe(PREFIX_BYTES + size);
  let at = PREFIX_BYTES;
  if (descriptor) at = writeField(whole, at, DESCRIPTOR_TAG, descriptor);
  at = writeField(whole, at, HEADER_TAG, header);
  if (metadata) at = writeField(whole, at, METADATA_TAG, metadata);
  if (body.length) {
    at = writeVarint(whole, writeVarint(whole, at, BODY_TAG), body.length);
    if (!isInPlace) whole.set(body, at);
  }
  return prefixed(whole);
}

function fieldSize(bytes: Uint8Array, tagBytes: number): number {
  let lengthBytes = 1;
  for (let rest = bytes.length; rest >= 0x80; rest = Math.floor(rest / 0x80)) lengthBytes++;
  return tagBytes + lengthBytes + bytes.length;
}

function writeField(out: Buffer, start: number, tag: number, bytes: Uint8Array): number {
  const at = writeVarint(out, writeVarint(out, start, tag), bytes.length);
  out.set(bytes, at);
  return at + bytes.length;
}

function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    out[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  out[at++] = rest;
  return at;
}

const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Up to 2^53: longer than any message; the high bits of a skipped 64-bit value may be lost. */
  varint(): number {
    let value = 0;
    for (let factor = 1, count = 0; count < 10; factor *= 0x80, count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed("a number is cut off");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw malformed("a number is longer than 10 bytes");
  }

  bytes(): Uint8Array {
    const length = this.varint();
    return this.#take(length);
  }

  skip(wireType: number): void {
    const fixed = FIXED_BYTES[wireType];
    if (wireType === 0) this.varint();
    else if (wireType === 2) this.bytes();
    else if (fixed !== undefined) this.#take(fixed);
    else throw malformed(`wire type ${wireType} is not known`);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      throw malformed(`a field of ${length} bytes ends after the message's ${this.#bytes.length}`);
    }
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }
}

function malformed(what: string): EiderError {
  return new EiderError("request_invalid", `not a valid FlightData message: ${what}`);
}
