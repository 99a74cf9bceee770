import { type DataType, Field, Schema } from "apache-arrow";
import { BufferRegion, DictionaryBatch, FieldNode, Message, RecordBatch } from "apache-arrow/ipc/metadata/message";
import type { Frame } from "../../../src/arrow/read.ts";

/** Record batches made buffer by buffer, so that a test can put anything into them. */

export interface BuiltBatch {
  readonly schema: Schema;
  readonly frame: Frame;
}

export const NONE = new Uint8Array(0);

/** One column "v" of the given buffers; `nodes` are lengths and null counts, the column's own first. */
export function buildBatch(
  type: DataType,
  rowCount: number,
  buffers: readonly ArrayBufferView[],
  nodes: ReadonlyArray<readonly [number, number]> = [[rowCount, 0]],
  variadicCounts: number[] = [],
): BuiltBatch {
  const schema = new Schema([new Field("v", type, true)]);
  const batch = batchOf(rowCount, buffers, nodes, variadicCounts);
  return {
    schema,
    frame: { header: Message.encode(Message.from(batch.header, batch.body.byteLength)), body: batch.body },
  };
}

/** The same batch as the values of a dictionary. */
export function buildDictionary(
  id: number,
  rowCount: number,
  buffers: readonly ArrayBufferView[],
  isDelta = false,
): Frame {
  const { header, body } = batchOf(rowCount, buffers, [[rowCount, 0]], []);
  return { header: Message.encode(Message.from(new DictionaryBatch(header, id, isDelta), body.byteLength)), body };
}

function batchOf(
  rowCount: number,
  buffers: readonly ArrayBufferView[],
  nodes: ReadonlyArray<readonly [number, number]>,
  variadicCounts: number[],
): { header: RecordBatch; body: Uint8Array } {
  const parts = buffers.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  const regions: BufferRegion[] = [];
  let bytes = 0;
  for (const part of parts) {
    regions.push(new BufferRegion(bytes, part.byteLength));
    bytes += (part.byteLength + 7) & ~7;
  }
  const body = new Uint8Array(bytes);
  for (const [i, part] of parts.entries()) body.set(part, regions[i]?.offset);
  const fieldNodes = nodes.map(([length, nullCount]) => new FieldNode(length, nullCount));
  return { header: new RecordBatch(rowCount, fieldNodes, regions, null, variadicCounts), body };
}
