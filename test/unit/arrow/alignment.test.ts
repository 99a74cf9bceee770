import { expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { decodeSchema } from "../../../src/arrow/schema.ts";
import { fixture } from "./streams.ts";

/** gRPC's messages are Node Buffers, and a body lies in them wherever the fields before it end. */
test.each([0, 1, 4, 7])("a body in a Node Buffer, %i bytes behind a multiple of 8", (shift) => {
  for (const name of ["primitives", "texts", "nested", "temporals"]) {
    const { header, frames } = fixture(name);
    const decode = (place: (body: Uint8Array) => Uint8Array) => {
      const decoder = new BatchDecoder(decodeSchema(header), { use: "bind" });
      return frames.map((frame) => decoder.decode({ header: frame.header, body: place(frame.body) }));
    };
    const shifted = decode((body) => {
      const room = Buffer.alloc(body.byteLength + 16);
      const start = ((8 - (room.byteOffset % 8)) % 8) + shift;
      room.set(body, start);
      return room.subarray(start, start + body.byteLength);
    });
    expect(shifted).toEqual(decode((body) => new Uint8Array(body)));
  }
});
