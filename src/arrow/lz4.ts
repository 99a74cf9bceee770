import { malformed } from "./flatbuffer.ts";

/**
 * Decompression of one LZ4 frame into a buffer of known size
 * (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md, lz4_Block_format.md). The input is a client's: every
 * length is checked, and no more is written than the caller has room for. The package `lz4js` checks neither, and a
 * forged block length keeps it busy for minutes. Checksums are skipped; gRPC's transport has its own.
 */

const MAGIC = 0x184d2204;
const STORED = 0x80000000;
const MIN_MATCH = 4;

/** Fills `target` exactly; throws request_invalid when the frame is damaged or holds another number of bytes. */
export function decompressLz4(source: Uint8Array, target: Uint8Array): void {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  if (source.length < 7 || view.getUint32(0, true) !== MAGIC) throw malformed("a buffer is not an LZ4 frame");
  const flags = source[4] ?? 0;
  if (flags >> 6 !== 1) throw malformed("a buffer has an unknown version of the LZ4 frame format");
  const blockChecksumBytes = flags & 0x10 ? 4 : 0;
  let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  let filled = 0;
  for (;;) {
    if (at + 4 > source.length) throw malformed("an LZ4 frame is cut short");
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const length = word & ~STORED;
    if (at + length > source.length) throw malformed("an LZ4 block is cut short");
    const block = source.subarray(at, at + length);
    if ((word & STORED) === 0) filled = decompressBlock(block, target, filled);
    else {
      if (filled + length > target.length) throw tooLong(target);
      target.set(block, filled);
      filled += length;
    }
    at += length + blockChecksumBytes;
  }
  if (filled !== target.length) throw malformed(`an LZ4 frame holds ${filled} bytes, not ${target.length}`);
}

function tooLong(target: Uint8Array): Error {
  return malformed(`an LZ4 frame holds more than its ${target.length} bytes`);
}

/** Returns the position after the last byte written. Matches may reach back into earlier blocks of the frame. */
function decompressBlock(source: Uint8Array, target: Uint8Array, start: number): number {
  let at = 0;
  let filled = start;
  const longLength = (short: number): number => {
    let length = short;
    if (short < 15) return length;
    for (;;) {
      const byte = source[at++];
      if (byte === undefined) throw malformed("an LZ4 block is cut short");
      length += byte;
      if (byte !== 255) return length;
    }
  };
  while (at < source.length) {
    const token = source[at++] ?? 0;
    const literals = longLength(token >> 4);
    if (at + literals > source.length) throw malformed("an LZ4 block is cut short");
    if (filled + literals > target.length) throw tooLong(target);
    target.set(source.subarray(at, at + literals), filled);
    at += literals;
    filled += literals;
    if (at === source.length) return filled;
    const distance = (source[at] ?? 0) | ((source[at + 1] ?? 0) << 8);
    at += 2;
    if (distance === 0 || distance > filled) throw malformed("an LZ4 match lies before the buffer");
    const length = longLength(token & 15) + MIN_MATCH;
    if (filled + length > target.length) throw tooLong(target);
    if (distance >= length) {
      target.copyWithin(filled, filled - distance, filled - distance + length);
    } else {
      // The match overlaps what it writes: a run that repeats.
      for (let i = 0; i < length; i++) target[filled + i] = target[filled - distance + i] ?? 0;
    }
    filled += length;
  }
  return filled;
}
