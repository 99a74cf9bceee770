import type { ArrowMessage } from "./types.ts";

/** A view must cover this much of its ArrayBuffer to be transferred with it; less is copied, which frees the rest. */
const MIN_SHARE = 0.75;

/**
 * Makes a message ready for postMessage without a copy where that is possible. What lies in Node's shared Buffer pool
 * is copied: transferring the pool would detach everybody else's buffers. After this the caller's views may be detached.
 */
export function transferable({ header, body }: ArrowMessage): { message: ArrowMessage; transfer: ArrayBuffer[] } {
  const { buffer } = body;
  const sharesHeader = header.buffer === buffer;
  const usedBytes = body.byteLength + (sharesHeader ? header.byteLength : 0);
  const canMove =
    buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && usedBytes >= MIN_SHARE * buffer.byteLength;
  if (canMove) {
    const moved = sharesHeader ? header : header.slice();
    return {
      message: { header: new Uint8Array(moved.buffer, moved.byteOffset, moved.byteLength), body },
      transfer: [buffer],
    };
  }
  // The body first: it stays aligned for the typed arrays that read it.
  const copy = new ArrayBuffer(body.byteLength + header.byteLength);
  const copied = {
    body: new Uint8Array(copy, 0, body.byteLength),
    header: new Uint8Array(copy, body.byteLength, header.byteLength),
  };
  copied.body.set(body);
  copied.header.set(header);
  return { message: copied, transfer: [copy] };
}

export function bytesOfMessage(message: ArrowMessage): number {
  return message.header.byteLength + message.body.byteLength;
}
