import { BufferRegion, FieldNode, Message, RecordBatch } from "apache-arrow/ipc/metadata/message";

/** One Arrow IPC message: the bare flatbuffer `Message` and its body, whose length is a multiple of 8. */
export interface Frame {
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/** Gathers the nodes and buffers of one record batch in the order of the schema's fields, then copies them into a frame. */
export class FrameBody {
  readonly #nodes: FieldNode[] = [];
  readonly #regions: BufferRegion[] = [];
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  addNode(length: number, nullCount: number): void {
    this.#nodes.push(new FieldNode(length, nullCount));
  }

  /** `part` may be reused by its owner once `toFrame` has returned. */
  addBuffer(part: Uint8Array): void {
    this.#regions.push(new BufferRegion(this.#bytes, part.byteLength));
    this.#parts.push(part);
    this.#bytes += (part.byteLength + 7) & ~7;
  }

  toFrame(rowCount: number): Frame {
    const body = new Uint8Array(this.#bytes);
    for (const [i, part] of this.#parts.entries()) body.set(part, this.#regions[i]?.offset);
    const batch = new RecordBatch(rowCount, this.#nodes, this.#regions, null);
    return { header: Message.encode(Message.from(batch, this.#bytes)), body };
  }
}
