import { connect } from "node:http2";
import { createConnection } from "node:net";
import { Int64 } from "apache-arrow";
import { expect, test } from "vitest";
import { encodeSchema } from "../../../src/arrow/schema.ts";
import { packAny } from "../../../src/wire/any.ts";
import { encodeFlightData } from "../../../src/wire/flight-data.ts";
import {
  DESCRIPTOR_CMD,
  DESCRIPTOR_PATH,
  Flight,
  type FlightDescriptor,
  type IngestCommand,
  Sql,
} from "../../../src/wire/messages.ts";
import { until } from "../../support/flight-client.ts";
import { framesOfColumns, schemaOf } from "../../support/scenario-arrow.ts";
import { ScenarioServer } from "../../support/scenario-server.ts";

const NUMBERS = schemaOf(["a"], [new Int64()]);
const NO_BODY = Buffer.alloc(0);
const INVALID_ARGUMENT = 3;

function descriptorField(descriptor: FlightDescriptor): Buffer {
  const bytes = Flight.FlightDescriptor.encode(descriptor);
  return Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes]);
}

const schemaMessage = () => encodeFlightData({ header: encodeSchema(NUMBERS), body: NO_BODY });
const batch = (value: bigint, metadata?: Buffer) => {
  const [frame] = framesOfColumns(NUMBERS, [[value]]);
  return encodeFlightData({ header: frame?.header ?? NO_BODY, body: frame?.body ?? NO_BODY, metadata });
};
const toPath = (...path: string[]) =>
  Buffer.concat([descriptorField({ type: DESCRIPTOR_PATH, path }), schemaMessage()]);
const toIngest = (command: IngestCommand) =>
  Buffer.concat([
    descriptorField({ type: DESCRIPTOR_CMD, cmd: packAny(Sql.CommandStatementIngest, command) }),
    schemaMessage(),
  ]);
const CREATE: IngestCommand = { table: "t", table_definition_options: { if_not_exist: 1, if_exists: 1 } };

const acksOf = (messages: readonly Buffer[]) =>
  messages.map((message) => JSON.parse(Buffer.from(Flight.PutResult.decode(message).app_metadata).toString()));

test("one result per batch, in order, while the next are read", async () => {
  await using server = await ScenarioServer.open();
  const batches = Array.from({ length: 200 }, (_, index) => batch(BigInt(index)));
  const { messages } = await server.client().call("DoPut", [toPath("t"), ...batches]);
  expect(acksOf(messages)).toEqual(batches.map((_, index) => ({ rows: 1, seq: index + 1 })));
  expect(server.backend.counts.mostPutsInFlight).toBeGreaterThan(1);
  expect(server.backend.counts.mostPutsInFlight).toBeLessThanOrEqual(64);
});

test("batches in flight are bounded", async () => {
  await using server = await ScenarioServer.open({ maxPutBatchesInFlight: 3 });
  const batches = Array.from({ length: 50 }, (_, index) => batch(BigInt(index)));
  await server.client().call("DoPut", [toPath("t"), ...batches]);
  expect(server.backend.counts.mostPutsInFlight).toBeLessThanOrEqual(3);
});

test("a refused batch ends the stream after the results before it", async () => {
  await using server = await ScenarioServer.open();
  const call = server.client().open("DoPut");
  const messages: Buffer[] = [];
  call.on("data", (message: Buffer) => messages.push(message));
  const failed = new Promise<Error & { code: number }>((resolve) =>
    call.on("error", resolve as (error: Error) => void),
  );
  for (const message of [toPath("t"), batch(1n), batch(2n), batch(3n, Buffer.from('{"fail":true}')), batch(4n)])
    call.write(message);
  // The client does not half-close: the server must not wait for it.
  expect(await failed).toMatchObject({ code: INVALID_ARGUMENT, details: "this batch was asked to fail" });
  expect(acksOf(messages)).toEqual([
    { rows: 1, seq: 1 },
    { rows: 1, seq: 2 },
  ]);
});

test("its error is sent also when results wait to be written and the client goes on", async () => {
  await using server = await ScenarioServer.open();
  for (let attempt = 0; attempt < 20; attempt++) {
    const call = server.client().open("DoPut");
    call.on("data", () => undefined);
    const failed = new Promise((resolve) => call.on("error", resolve));
    call.write(toPath("t"));
    for (let count = 0; count < attempt; count++) call.write(batch(1n));
    call.write(batch(2n, Buffer.from('{"fail":true}')));
    expect(await failed).toMatchObject({ code: INVALID_ARGUMENT });
  }
});

test.each([
  ["no schema", [descriptorField({ type: DESCRIPTOR_PATH, path: ["t"] })], /the stream to t has no schema/],
  [
    "a batch first",
    [Buffer.concat([descriptorField({ type: DESCRIPTOR_PATH, path: ["t"] }), batch(1n)])],
    /must be its schema/,
  ],
  ["two schemas", [toPath("t"), schemaMessage()], /the stream's schema cannot change/],
  [
    "metadata alone",
    [toPath("t"), encodeFlightData({ header: NO_BODY, body: NO_BODY, metadata: Buffer.from("{}") })],
    /without a batch/,
  ],
  [
    "no Arrow message",
    [toPath("t"), encodeFlightData({ header: Buffer.from("x"), body: NO_BODY })],
    /malformed Arrow message/,
  ],
])("%s is the client's error", async (_name, messages, why) => {
  await using server = await ScenarioServer.open();
  const sending = server.client().call("DoPut", messages);
  await expect(sending).rejects.toMatchObject({ code: INVALID_ARGUMENT, message: expect.stringMatching(why) });
});

// grpc-js' client half-closes a call before it resets it, which no server can tell from an end: this one is a bare socket.
test("an ingest is all or nothing: a client that dies half-way leaves nothing", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const socket = createConnection(server.flight.port, "127.0.0.1");
  const session = connect(`http://127.0.0.1:${server.flight.port}`, { createConnection: () => socket });
  session.on("error", () => undefined);
  const path = "/arrow.flight.protocol.FlightService/DoPut";
  const call = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  call.on("error", () => undefined);
  for (const message of [toIngest(CREATE), batch(1n)]) {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    call.write(Buffer.concat([prefix, message]));
  }
  await until(() => server.backend.counts.openedIngests === 1);
  socket.resetAndDestroy();
  await until(() => server.backend.counts.ingestsAborted === 1 && server.inFlight.get("DoPut") === 0);
  await expect(client.query("SELECT * FROM t")).rejects.toThrow(/does not exist/);
});

test("an ingest answers with its rows", async () => {
  await using server = await ScenarioServer.open();
  const { messages } = await server.client().call("DoPut", [toIngest(CREATE), batch(1n), batch(2n)]);
  const { app_metadata } = Flight.PutResult.decode(messages[0] ?? NO_BODY);
  expect(Sql.DoPutUpdateResult.decode(app_metadata)).toEqual({ record_count: "2" });
  expect(server.backend.counts.ingestsAborted).toBe(0);
});

test.each([
  ["no definition options", { table: "t" }, /table_definition_options must say/],
  [
    "an unspecified option",
    { table: "t", table_definition_options: { if_exists: 2 } },
    /table_definition_options must say/,
  ],
  ["no table", { ...CREATE, table: "" }, /names no table/],
])("%s in an ingest is the client's error", async (_name, command, why) => {
  await using server = await ScenarioServer.open();
  const sending = server.client().call("DoPut", [toIngest(command)]);
  await expect(sending).rejects.toMatchObject({ code: INVALID_ARGUMENT, message: expect.stringMatching(why) });
});
