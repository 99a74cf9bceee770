import zlib from "node:zlib";
import { decompress } from "fzstd";
import { EiderError } from "../errors.ts";
import { malformed } from "./flatbuffer.ts";

type Native = (source: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

/** Node has zstd from 22.15 on; it stops at a limit, and is several times faster than the JavaScript one. */
const native: unknown = Reflect.get(zlib, "zstdDecompressSync");

/** Fills `target` exactly from one zstd frame (RFC 8878); throws request_invalid when the frame is damaged or of another size. */
export function decompressZstd(source: Uint8Array, target: Uint8Array): void {
  const size = contentSize(source);
  if (size !== undefined && size !== target.byteLength) {
    throw malformed(`a zstd frame holds ${size} bytes, not ${target.byteLength}`);
  }
  try {
    if (typeof native === "function") {
      const bytes = (native as Native)(source, { maxOutputLength: Math.max(target.byteLength, 1) });
      if (bytes.byteLength !== target.byteLength) throw new Error(`${bytes.byteLength} bytes`);
      target.set(bytes);
      return;
    }
    // Given its target, fzstd allocates nothing by the frame's own numbers, and what it writes past the end is dropped.
    decompress(source, target);
  } catch (error) {
    throw new EiderError("request_invalid", "malformed Arrow message: a compressed buffer is not valid zstd", {
      cause: error,
    });
  }
}

/** The frame's own word for its size, where it has one (RFC 8878, 3.1.1.1). */
function contentSize(source: Uint8Array): number | undefined {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  if (source.byteLength < 6 || view.getUint32(0, true) !== 0xfd2fb528) throw malformed("a buffer is not a zstd frame");
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  if (sizeFlag === 0 && !isSingleSegment) return undefined;
  const at = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const bytes = 1 << sizeFlag;
  if (at + bytes > source.byteLength) throw malformed("a zstd frame is cut short");
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, true) + 256;
  return bytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}
