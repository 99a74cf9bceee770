import { batchMessage } from "./batch-message.ts";

/** One Arrow IPC message: the bare flatbuffer `Message` and its body, whose length is a multiple of 8. */
export interface Frame {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** Bytes before `body` in its ArrayBuffer that hold nothing: whoever sends the frame may write its envelope there. */
  readonly room?: number;
}

/** Beside the header: tags, lengths and prefixes of the protocols around it. */
const ENVELOPE_BYTES = 64;

/** Gathers the nodes and buffers of one record batch in the order of the schema's fields, then copies them into a frame. */
export class FrameBody {
  /** Length and null count of each node. */
  readonly #nodes: number[] = [];
  /** Offset and length of each buffer. */
  readonly #regions: number[] = [];
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  addNode(length: number, nullCount: number): void {
    this.#nodes.push(length, nullCount);
  }

  /** `part` may be reused by its owner once `toFrame` has returned. */
  addBuffer(part: Uint8Array): void {
    this.#regions.push(this.#bytes, part.byteLength);
    this.#parts.push(part);
    this.#bytes += (part.byteLength + 7) & ~7;
  }

  toFrame(rowCount: number): Frame {
    const header = batchMessage(rowCount, this.#nodes, this.#regions, this.#bytes);
    const room = (header.byteLength + ENVELOPE_BYTES + 7) & ~7;
    // Not zeroed: the envelope and the parts cover all that is sent, but for the padding.
    const memory = Buffer.allocUnsafeSlow(room + this.#bytes);
    let at = room;
    for (const part of this.#parts) {
      memory.set(part, at);
      const end = at + part.byteLength;
      at += (part.byteLength + 7) & ~7;
      memory.fill(0, end, at);
    }
    return { header, body: new Uint8Array(memory.buffer, room, this.#bytes), room };
  }
}
