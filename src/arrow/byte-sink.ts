const INITIAL_BYTES = 4096;
/** A sink that one wide batch made larger than this gives its memory back with the batch. */
const KEEP_BYTES = 4 * 2 ** 20;

/** Bytes that grow at the end; emptied and reused batch after batch. */
export class ByteSink {
  length = 0;
  bytes = new Uint8Array(INITIAL_BYTES);
  view = new DataView(this.bytes.buffer);

  /** Makes room for `count` more bytes; the room beyond `length` holds anything. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.byteLength));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  append(part: Uint8Array): void {
    this.reserve(part.byteLength);
    this.bytes.set(part, this.length);
    this.length += part.byteLength;
  }

  get contents(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    if (this.bytes.byteLength <= KEEP_BYTES) return;
    this.bytes = new Uint8Array(INITIAL_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }
}
