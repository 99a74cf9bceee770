import { Message } from "apache-arrow/ipc/metadata/message";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readBatchHeader } from "../../../src/arrow/batch-header.ts";
import { batchMessage } from "../../../src/arrow/batch-message.ts";
import { FrameBody } from "../../../src/arrow/frame-body.ts";

const pairs = fc.array(fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()), { maxLength: 40 });

test("what is written in place, Arrow's own reader and Eider's read", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), pairs, pairs, fc.maxSafeNat(), (rows, nodes, regions, bodyBytes) => {
      const bytes = batchMessage(rows, nodes.flat(), regions.flat(), bodyBytes);
      expect(bytes.byteLength % 8).toBe(0);
      const message = Message.decode(bytes);
      expect(message.isRecordBatch() && message.version === 4).toBe(true);
      expect(message.bodyLength).toBe(bodyBytes);
      const batch = message.header();
      if (!("nodes" in batch)) throw new Error("no record batch");
      expect(batch.length).toBe(rows);
      expect(batch.nodes.map(({ length, nullCount }) => [length, nullCount])).toEqual(nodes);
      expect(batch.buffers.map(({ offset, length }) => [offset, length])).toEqual(regions);
      const read = readBatchHeader(bytes);
      expect([read.rowCount, read.bodyLength, read.nodes.count, read.buffers.count]).toEqual([
        rows,
        bodyBytes,
        nodes.length,
        regions.length,
      ]);
      expect([read.nodes.start % 8, read.buffers.start % 8]).toEqual([0, 0]);
    }),
  );
});

test("a body is aligned, padded with zeros, and has room before it", () => {
  const body = new FrameBody();
  body.addNode(3, 0);
  body.addBuffer(new Uint8Array(0));
  body.addBuffer(new Uint8Array([1, 2, 3]));
  body.addBuffer(new Uint8Array([4]));
  const frame = body.toFrame(3);
  expect([...frame.body]).toEqual([1, 2, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
  expect(frame.body.byteOffset % 8).toBe(0);
  expect(frame.room).toBe(frame.body.byteOffset);
});
