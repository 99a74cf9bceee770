import { Int64, Null, Schema, Utf8 } from "apache-arrow";
import { expect, test } from "vitest";
import { decodeSchema, encodeSchema, unwrapEncapsulated } from "../../../src/arrow/schema.ts";
import { packAny } from "../../../src/wire/any.ts";
import { encodeFlightData } from "../../../src/wire/flight-data.ts";
import { DESCRIPTOR_CMD, Flight, type FlightEndpoint, Sql, type Timestamp } from "../../../src/wire/messages.ts";
import { ArrowGoSession } from "../../support/arrow-go-session.ts";
import { sqlDescriptor, ticketOf, until } from "../../support/flight-client.ts";
import { framesOfColumns, rowsOfFrames, schemaOf } from "../../support/scenario-arrow.ts";
import { ScenarioServer } from "../../support/scenario-server.ts";

const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;

type Frames = Array<{ header: Uint8Array; body: Uint8Array }>;
const rowsOf = ([schema, ...frames]: Frames) => rowsOfFrames(schema?.header ?? Buffer.alloc(0), frames);

test("a query is planned by GetFlightInfo and run by DoGet, with the same schema", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const info = await client.query("SELECT 42 AS a, 'x' AS b");
  expect(info.total_records).toBe("-1");
  const frames = await client.get(ticketOf(info));
  expect(Buffer.from(unwrapEncapsulated(info.schema ?? Buffer.alloc(0)))).toEqual(Buffer.from(frames[0]?.header ?? []));
  expect(rowsOf(frames)).toEqual([{ a: 42, b: "x" }]);
  await until(() => server.backend.counts.openRows === 0 && server.backend.counts.openPrepared === 0);
});

test("a statement without rows runs in GetFlightInfo, once, and has nothing to fetch", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  expect((await client.query("CREATE TABLE t (a INT)")).endpoint).toBeUndefined();
  const info = await client.query("INSERT INTO t VALUES (1), (2)");
  expect(info).toMatchObject({ total_records: "2" });
  expect(info.endpoint).toBeUndefined();
  // A schema without columns: ADBC takes none at all for a broken answer.
  expect(decodeSchema(unwrapEncapsulated(info.schema ?? Buffer.alloc(0))).fields).toEqual([]);
  expect(rowsOf(await client.get(Buffer.from("SELECT count(*)::INT AS n FROM t")))).toEqual([{ n: 2 }]);
});

test("a ticket works once, from any connection of the principal, and from no other", async () => {
  await using server = await ScenarioServer.open();
  const basic = (name: string) => ({ authorization: `Basic ${Buffer.from(`${name}:pw`).toString("base64")}` });
  const [joe, again, eve] = [server.client(basic("joe")), server.client(basic("joe")), server.client(basic("eve"))];
  const ticket = ticketOf(await joe.query("SELECT 1 AS a"));
  await expect(eve.get(ticket)).rejects.toMatchObject({ code: NOT_FOUND });
  expect(rowsOf(await again.get(ticket))).toEqual([{ a: 1 }]);
  await expect(joe.get(ticket)).rejects.toMatchObject({ code: NOT_FOUND });
});

test("a result that nobody fetches is dropped", async () => {
  await using server = await ScenarioServer.open({ ticketSeconds: 0.05 });
  const client = server.client();
  const ticket = ticketOf(await client.query("SELECT 1"));
  await until(() => server.backend.counts.openPrepared === 0);
  await expect(client.get(ticket)).rejects.toMatchObject({ code: NOT_FOUND });
});

test("closing the handle leaves its results; both gone, so is the statement", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const { prepared_statement_handle, is_update, dataset_schema } = await client.prepare("SELECT 7 AS a");
  expect(is_update).toBe(false);
  expect(dataset_schema.length).toBeGreaterThan(0);
  const handle = { prepared_statement_handle };
  const cmd = packAny(Sql.CommandPreparedStatementQuery, handle);
  const info = await client.info({ type: DESCRIPTOR_CMD, cmd });
  const close = packAny(Sql.ActionClosePreparedStatementRequest, handle);
  expect(await client.action("ClosePreparedStatement", close)).toEqual([]);
  expect(await client.action("ClosePreparedStatement", close)).toEqual([]);
  expect(server.backend.counts.openPrepared).toBe(1);
  expect(rowsOf(await client.get(ticketOf(info)))).toEqual([{ a: 7 }]);
  await until(() => server.backend.counts.openPrepared === 0);
  await expect(client.info({ type: DESCRIPTOR_CMD, cmd })).rejects.toMatchObject({ code: NOT_FOUND });
});

test("an update has no dataset schema and says that it is one", async () => {
  await using server = await ScenarioServer.open();
  const { is_update, dataset_schema } = await server.client().prepare("CREATE TABLE t (a INT)");
  expect(is_update).toBe(true);
  expect(dataset_schema?.length ?? 0).toBe(0);
});

test.each([
  ["grpc-java-netty/1.71.0", Utf8],
  ["ADBC Flight SQL Driver", Null],
])("parameters of unknown type for %s", async (agent, type) => {
  await using server = await ScenarioServer.open();
  const client = server.client({}, agent);
  const { parameter_schema } = await client.prepare("SELECT ? AS a");
  const schema = decodeSchema(unwrapEncapsulated(parameter_schema));
  expect(schema.fields[0]?.type).toBeInstanceOf(type);
});

const put = (cmd: Buffer, schema: Schema, columns: readonly unknown[][]) => {
  const descriptor = Flight.FlightDescriptor.encode({ type: DESCRIPTOR_CMD, cmd });
  const field = Buffer.concat([Buffer.from([0x0a, descriptor.length]), descriptor]);
  const first = encodeFlightData({ header: encodeSchema(schema), body: new Uint8Array(0) });
  return [Buffer.concat([field, first]), ...framesOfColumns(schema, columns).map(encodeFlightData)];
};

test("bound rows run the statement once each; no row and no column run it once without parameters", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  await client.query("CREATE TABLE t (a BIGINT)");
  const handle = {
    prepared_statement_handle: (await client.prepare("INSERT INTO t VALUES (?)")).prepared_statement_handle,
  };
  const numbers = schemaOf(["1"], [new Int64()]);
  const update = async (cmd: Buffer, schema: Schema, columns: unknown[][]) => {
    const { messages } = await client.call("DoPut", put(cmd, schema, columns));
    return Sql.DoPutUpdateResult.decode(Flight.PutResult.decode(messages[0] ?? Buffer.alloc(0)).app_metadata);
  };
  const cmd = packAny(Sql.CommandPreparedStatementUpdate, handle);
  expect(await update(cmd, numbers, [[1n, 2n, null]])).toEqual({ record_count: "3" });
  const plain = (await client.prepare("INSERT INTO t VALUES (9)")).prepared_statement_handle;
  const plainCmd = packAny(Sql.CommandPreparedStatementUpdate, { prepared_statement_handle: plain });
  expect(await update(plainCmd, numbers, [[]])).toEqual({ record_count: "1" });
  expect(await update(plainCmd, new Schema([]), [])).toEqual({ record_count: "1" });

  const query = (await client.prepare("SELECT a FROM t WHERE a = ?")).prepared_statement_handle;
  const queryCmd = packAny(Sql.CommandPreparedStatementQuery, { prepared_statement_handle: query });
  const { messages } = await client.call("DoPut", put(queryCmd, numbers, [[1n, 9n]]));
  const bound = Sql.DoPutPreparedStatementResult.decode(
    Flight.PutResult.decode(messages[0] ?? Buffer.alloc(0)).app_metadata,
  );
  expect(Buffer.from(bound.prepared_statement_handle ?? [])).toEqual(Buffer.from(query));
  const info = await client.info({ type: DESCRIPTOR_CMD, cmd: queryCmd });
  expect(rowsOf(await client.get(ticketOf(info)))).toEqual([{ a: 1n }, { a: 9n }, { a: 9n }]);
});

test("parameters are bounded", async () => {
  await using server = await ScenarioServer.open({ maxParameterBytes: 100 });
  const client = server.client();
  const handle = {
    prepared_statement_handle: (await client.prepare("SELECT ?::BIGINT AS a")).prepared_statement_handle,
  };
  const cmd = packAny(Sql.CommandPreparedStatementQuery, handle);
  const numbers = schemaOf(["1"], [new Int64()]);
  const sending = client.call("DoPut", put(cmd, numbers, [Array.from({ length: 100 }, () => 1n)]));
  await expect(sending).rejects.toThrow(/max_parameter_bytes/);
});

const pollOn = (client: ReturnType<ScenarioServer["client"]>) => (descriptor: object) =>
  client.one("PollFlightInfo", Flight.FlightDescriptor.encode(descriptor), Flight.PollInfo);

test("a poll for a query is complete when the query is planned", async () => {
  await using server = await ScenarioServer.open({ pollSeconds: 600 });
  const client = server.client();
  const complete = await pollOn(client)(sqlDescriptor("SELECT 1 AS a"));
  expect(complete.flight_descriptor).toBeUndefined();
  expect(complete.progress).toBe(1);
  expect(rowsOf(await client.get(ticketOf(complete.info)))).toEqual([{ a: 1 }]);
});

test("polls end with the work", async () => {
  await using server = await ScenarioServer.open({ pollSeconds: 0.01 });
  const client = server.client();
  const poll = pollOn(client);
  let answer = await poll(sqlDescriptor("CREATE TABLE t AS SELECT count(*) AS n FROM range(20000000)"));
  while (answer.flight_descriptor) answer = await poll(answer.flight_descriptor);
  expect(answer.info.total_records).not.toBe("-1");
  expect(rowsOf(await client.get(Buffer.from("SELECT n::INT AS n FROM t")))).toEqual([{ n: 20000000 }]);
});

test("a poll's statement is cancelled by the poll's info", async () => {
  await using server = await ScenarioServer.open({ pollSeconds: 0.01 });
  const client = server.client();
  const endless = sqlDescriptor("CREATE TABLE t AS SELECT count(*) FROM range(1000000000000)");
  const { info } = await pollOn(client)(endless);
  const [body] = await client.action("CancelFlightInfo", Flight.CancelFlightInfoRequest.encode({ info }));
  expect(Flight.CancelFlightInfoResult.decode(body ?? Buffer.alloc(0))).toEqual({ status: 1 });
  await client.query("CREATE TABLE t (a INT)");
});

const endlessUpdate = sqlDescriptor("CREATE TABLE t AS SELECT sum(sin(i)) AS s FROM range(1000000000000) t(i)");

test("a client that cancels its poll cancels the statement", async () => {
  await using server = await ScenarioServer.open({ pollSeconds: 600 });
  const client = server.client();
  const call = client.open("PollFlightInfo");
  call.on("error", () => undefined);
  call.write(Flight.FlightDescriptor.encode(endlessUpdate));
  await until(() => server.backend.counts.openPrepared === 1);
  call.cancel();
  // The session's next statement waits for it.
  await client.query("CREATE TABLE t (a INT)");
});

test("the deadline of a poll is not the statement's", async () => {
  await using server = await ScenarioServer.open({ pollSeconds: 0.5 });
  const client = server.client();
  const { flight_descriptor: descriptor = {} } = await pollOn(client)(endlessUpdate);
  const call = client.open("PollFlightInfo", {}, 50);
  call.write(Flight.FlightDescriptor.encode(descriptor));
  const error = await new Promise((resolve) => call.once("error", resolve));
  expect(error).toMatchObject({ code: DEADLINE_EXCEEDED });
  expect(await pollOn(client)(descriptor)).toMatchObject({ flight_descriptor: descriptor });
});

test("CancelFlightInfo: waiting, over, and nothing to cancel; RenewFlightEndpoint", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const info = await client.query("SELECT 1");
  const cancel = async (what: typeof info) => {
    const [body] = await client.action("CancelFlightInfo", Flight.CancelFlightInfoRequest.encode({ info: what }));
    return Flight.CancelFlightInfoResult.decode(body ?? Buffer.alloc(0)).status;
  };
  const [endpoint] = info.endpoint ?? [];
  const renew = Flight.RenewFlightEndpointRequest.encode(endpoint ? { endpoint } : {});
  expect(await client.action("RenewFlightEndpoint", renew)).toHaveLength(1);
  expect(await cancel(info)).toBe(1);
  await expect(cancel(info)).rejects.toMatchObject({ code: NOT_FOUND });
  await expect(client.action("RenewFlightEndpoint", renew)).rejects.toMatchObject({ code: NOT_FOUND });
  expect(await cancel(await client.query("CREATE TABLE t (a INT)"))).toBe(3);
  const query = await client.query("SELECT 2");
  const old = await client.sqlAction(
    "CancelQuery",
    Sql.ActionCancelQueryRequest,
    { info: Flight.FlightInfo.encode(query) },
    Sql.ActionCancelQueryResult,
  );
  expect(old).toEqual({ result: 1 });
});

test("an endpoint that says when it expires may be fetched again, until it is cancelled or has expired", async () => {
  await using server = await ScenarioServer.open({ ticketSeconds: 600 }, { SessionType: ArrowGoSession });
  const client = server.client();
  const info = await client.query("expiration_time");
  const [first, second, third] = info.endpoint ?? [];
  expect([first, second, third].map((endpoint) => endpoint?.expiration_time !== undefined)).toEqual([
    false,
    true,
    true,
  ]);
  const ticket = second?.ticket?.ticket ?? Buffer.alloc(0);
  expect(rowsOf(await client.get(ticket))).toEqual([{ number: 1 }]);
  expect(rowsOf(await client.get(ticket))).toEqual([{ number: 1 }]);
  const renew = async (endpoint: FlightEndpoint = {}) => {
    const request = Flight.RenewFlightEndpointRequest.encode({ endpoint });
    const [body = Buffer.alloc(0)] = await client.action("RenewFlightEndpoint", request);
    return Flight.FlightEndpoint.decode(body);
  };
  const renewed = await renew(second);
  expect(renewed.ticket).toEqual(second?.ticket);
  expect(unixMs(renewed.expiration_time)).toBeGreaterThan(unixMs(second?.expiration_time));
  expect(await renew(first)).toEqual(first);
  const request = Flight.CancelFlightInfoRequest.encode({ info });
  const [cancelled = Buffer.alloc(0)] = await client.action("CancelFlightInfo", request);
  expect(Flight.CancelFlightInfoResult.decode(cancelled).status).toBe(1);
  await expect(client.get(ticket)).rejects.toMatchObject({ code: NOT_FOUND });
});

function unixMs({ seconds = 0, nanos = 0 }: Timestamp = {}): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

test("an action that the protocol layer does not know is the backend's", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  expect(await client.action("", Buffer.alloc(0))).toEqual([Buffer.from("anonymous")]);
  await expect(client.action("Nonsense", Buffer.alloc(0))).rejects.toMatchObject({ code: UNIMPLEMENTED });
});

test("a reader that stops reading stops the result", async () => {
  await using server = await ScenarioServer.open();
  const call = server.client().open("DoGet");
  call.on("error", () => undefined);
  call.write(Flight.Ticket.encode({ ticket: Buffer.from("SELECT 100000 AS endless_stream") }));
  await new Promise((resolve) => call.once("data", resolve));
  call.pause();
  let before = -1;
  // It has stopped when the count is the same before and after 50 calls by somebody else.
  const other = server.client();
  while (before !== server.backend.counts.framesSent) {
    before = server.backend.counts.framesSent;
    for (let count = 0; count < 50; count++) await other.query("SELECT 1");
  }
  expect(before).toBeLessThan(100);
  call.cancel();
  await until(() => server.backend.counts.openRows === 0);
});

test("a cancelled call interrupts its statement and no other", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const call = client.open("DoGet");
  call.on("error", () => undefined);
  call.write(Flight.Ticket.encode({ ticket: Buffer.from("SELECT count(*) FROM range(1000000000000)") }));
  await until(() => server.inFlight.get("DoGet") === 1);
  call.cancel();
  await until(() => server.inFlight.get("DoGet") === 0);
  expect(server.calls.at(-1)).toEqual({ method: "DoGet", command: "sql", code: "CANCELLED" });
  expect(rowsOf(await client.get(Buffer.from("SELECT 1 AS a")))).toEqual([{ a: 1 }]);
});

test("errors: the code of what went wrong, in the status and in the trailer", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  await expect(client.query("SELEC")).rejects.toMatchObject({ code: INVALID_ARGUMENT });
  const missing = await client.query("SELECT * FROM missing").catch((error) => error);
  expect(missing.trailers.get("x-eider-error-code")).toEqual(["table_not_found"]);
  await expect(client.query("")).rejects.toMatchObject({ code: INVALID_ARGUMENT });
  await expect(client.call("GetFlightInfo", [Buffer.from([0xff])])).rejects.toMatchObject({ code: INVALID_ARGUMENT });
  await expect(client.call("GetFlightInfo", [])).rejects.toMatchObject({ code: INVALID_ARGUMENT });
  await expect(client.call("DoPut", [])).rejects.toMatchObject({ code: INVALID_ARGUMENT });
  const substrait = packAny({ ...Sql.CommandStatementQuery, name: "CommandStatementSubstraitPlan" }, {});
  const refused = client.info({ type: DESCRIPTOR_CMD, cmd: substrait });
  await expect(refused).rejects.toMatchObject({
    code: UNIMPLEMENTED,
    message: expect.stringContaining("SubstraitPlan"),
  });
  const unknown = packAny({ ...Sql.CommandStatementQuery, name: "CommandOfTheFuture" }, {});
  await expect(client.info({ type: DESCRIPTOR_CMD, cmd: unknown })).rejects.toThrow(
    "the command CommandOfTheFuture is not known",
  );
  await expect(client.action("BeginSavepoint", Buffer.alloc(0))).rejects.toMatchObject({ code: UNIMPLEMENTED });
  await expect(client.call("DoExchange", [])).rejects.toMatchObject({ code: UNIMPLEMENTED });
});

test("our own bug is told by its reference only", async () => {
  await using server = await ScenarioServer.open();
  server.backend.openSession = () => Promise.reject(new TypeError("secret"));
  const error = await server
    .client()
    .query("SELECT 1")
    .catch((thrown) => thrown);
  expect(error.code).toBe(INTERNAL);
  expect(error.message).not.toContain("secret");
  const [reference] = error.trailers.get("x-eider-reference");
  expect(server.lines.find((line) => line.level === "error")?.fields).toMatchObject({ reference });
});

test("a message larger than max_message_bytes is refused before it is read", async () => {
  await using server = await ScenarioServer.open({ maxMessageBytes: 10_000 });
  const sending = server.client().query("x".repeat(20_000));
  await expect(sending).rejects.toMatchObject({
    code: RESOURCE_EXHAUSTED,
    message: expect.stringMatching(
      /^a message of 20\d+ bytes is larger than max_message_bytes \(10000\): send smaller/,
    ),
  });
  await until(() => server.calls.length === 1);
  expect([server.calls[0]?.code, server.refused]).toEqual(["RESOURCE_EXHAUSTED", ["max_message_bytes"]]);
});
