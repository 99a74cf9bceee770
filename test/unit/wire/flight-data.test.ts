import { join } from "node:path";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EiderError } from "../../../src/errors.ts";
import { decodeFlightData, encodeFlightData } from "../../../src/wire/flight-data.ts";
import { REPO } from "../../support/repo.ts";

interface Reference {
  flight_descriptor?: unknown;
  data_header?: Uint8Array;
  app_metadata?: Uint8Array;
  data_body?: Uint8Array;
}

const loaded = loadSync(["Flight.proto"], { keepCase: true, includeDirs: [join(REPO, "proto")] });
const reference = loaded["arrow.flight.protocol.FlightData"] as unknown as MessageTypeDefinition<Reference, Reference>;

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

test("what it writes, protobufjs reads, and the other way round", () => {
  fc.assert(
    fc.property(bytes(300), bytes(9000), fc.option(bytes(50), { nil: undefined }), (header, body, metadata) => {
      const written = reference.deserialize(encodeFlightData({ header, body, metadata }));
      expect([...(written.data_header ?? [])]).toEqual([...header]);
      expect([...(written.data_body ?? [])]).toEqual([...body]);
      expect([...(written.app_metadata ?? [])]).toEqual([...(metadata ?? [])]);

      const sent = reference.serialize({
        data_header: header,
        data_body: body,
        flight_descriptor: { type: 1, path: ["t"] },
        ...(metadata ? { app_metadata: metadata } : {}),
      });
      const read = decodeFlightData(sent);
      expect([...read.header]).toEqual([...header]);
      expect([...read.body]).toEqual([...body]);
      expect([...(read.metadata ?? [])]).toEqual([...(metadata ?? [])]);
      expect(read.descriptor && [...read.descriptor]).toEqual([8, 1, 26, 1, 116]);
    }),
  );
});

test("a large message is not copied, a small one shares its memory with nobody", () => {
  const large = reference.serialize({ data_header: new Uint8Array(100), data_body: new Uint8Array(100_000) });
  expect(decodeFlightData(large).body.buffer).toBe(large.buffer);
  const small = Buffer.from(
    reference.serialize({ data_header: new Uint8Array([1, 2]), data_body: new Uint8Array([3]) }),
  );
  const { header, body } = decodeFlightData(small);
  expect(header.buffer).toBe(body.buffer);
  expect(header.buffer.byteLength).toBe(small.length);
});

test("a body with room before it is sent from where it lies, behind gRPC's prefix", () => {
  const memory = new Uint8Array(1000).fill(7);
  const header = new Uint8Array([1, 2, 3]);
  for (const room of [0, 10, 200]) {
    const body = memory.subarray(200, 900);
    const message = encodeFlightData({ header, body, room });
    expect(message.buffer === memory.buffer).toBe(room === 200);
    expect([...decodeFlightData(message).body]).toEqual([...body]);
    expect([...decodeFlightData(message).header]).toEqual([1, 2, 3]);
    const prefix = Buffer.from(message.buffer, message.byteOffset - 5, 5);
    expect([prefix[0], prefix.readUInt32BE(1)]).toEqual([0, message.byteLength]);
  }
  expect([...memory.subarray(0, 150), ...memory.subarray(900)].every((byte) => byte === 7)).toBe(true);
});

test("unknown fields are passed over", () => {
  const unknown = Buffer.from([0x48, 0x96, 0x01, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x5d, 1, 2, 3, 4, 0x62, 2, 9, 9]);
  const message = Buffer.concat([unknown, reference.serialize({ data_header: new Uint8Array([7]) }), unknown]);
  expect([...decodeFlightData(message).header]).toEqual([7]);
});

test("whatever the bytes are, they are read or refused as the client's error", () => {
  fc.assert(
    fc.property(bytes(60), fc.boolean(), (noise, prefixed) => {
      const message = prefixed ? Buffer.concat([Buffer.from([0x12]), noise]) : noise;
      try {
        decodeFlightData(message);
      } catch (error) {
        expect(error).toBeInstanceOf(EiderError);
        expect(error).toMatchObject({ code: "request_invalid" });
      }
    }),
    { numRuns: 2000 },
  );
  expect(() => decodeFlightData(Buffer.from([0x12, 0x05, 1]))).toThrow(/a field of 5 bytes ends after the message's 3/);
});
