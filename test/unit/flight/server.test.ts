import { connect, constants } from "node:http2";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { service } from "grpc-health-check";
import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { http2StreamOf } from "../../../src/flight/connection.ts";
import { FlightServer } from "../../../src/flight/server.ts";
import { Flight } from "../../../src/wire/messages.ts";
import { FlightTestClient, until } from "../../support/flight-client.ts";
import { ScenarioServer } from "../../support/scenario-server.ts";

const UNAVAILABLE = 14;
const ENDLESS = Flight.Ticket.encode({ ticket: Buffer.from("SELECT 100000 AS endless_stream") });

async function health(client: FlightTestClient): Promise<unknown> {
  const check = service["check"] ?? service["Check"];
  const { messages } = await client.call("/grpc.health.v1.Health/Check", [Buffer.alloc(0)]);
  return check?.responseDeserialize(messages[0] ?? Buffer.alloc(0));
}

test("who watches its health is told of each change", async () => {
  await using server = await ScenarioServer.open();
  const watch = service["watch"] ?? service["Watch"];
  const call = server.client().open("/grpc.health.v1.Health/Watch");
  call.on("error", () => undefined);
  const seen: unknown[] = [];
  call.on("data", (message: Buffer) => seen.push(watch?.responseDeserialize(message)));
  call.write(Buffer.alloc(0));
  call.end();
  await until(() => seen.length === 1);
  await server.flight.drain(0);
  await until(() => seen.length === 2);
  expect(seen).toMatchObject([{ status: "SERVING" }, { status: "NOT_SERVING" }]);
  call.cancel();
});

test("a draining server says so, refuses new calls, and lets those in flight end", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  expect(await health(client)).toMatchObject({ status: "SERVING" });
  const call = client.open("DoGet");
  call.on("error", () => undefined);
  call.write(ENDLESS);
  await new Promise((resolve) => call.once("data", resolve));
  call.pause();
  let drained = false;
  const draining = server.flight.drain(60_000).then(() => {
    drained = true;
  });
  expect(await health(client)).toMatchObject({ status: "NOT_SERVING" });
  await expect(client.query("SELECT 1")).rejects.toMatchObject({
    code: UNAVAILABLE,
    message: "the server is shutting down",
  });
  expect(drained).toBe(false);
  call.cancel();
  await draining;
});

test("after the grace period what is left is stopped, and told why", async () => {
  await using server = await ScenarioServer.open();
  const call = server.client().open("DoGet");
  call.write(ENDLESS);
  await new Promise((resolve) => call.once("data", resolve));
  const failed = new Promise((resolve) => call.on("error", resolve));
  call.resume();
  await server.flight.drain(10);
  expect(await failed).toMatchObject({ code: UNAVAILABLE, details: "the server is shutting down" });
});

test("a client that does not read cannot hold the server back", async () => {
  await using server = await ScenarioServer.open();
  const call = server.client().open("DoGet");
  const failed = new Promise((resolve) => call.on("error", resolve));
  call.write(ENDLESS);
  await new Promise((resolve) => call.once("data", resolve));
  call.pause();
  await server.flight.drain(10);
  call.resume();
  await failed;
  await until(() => server.backend.counts.openRows === 0);
});

test("closing frees all sessions, and the port", async () => {
  const server = await ScenarioServer.open();
  const { port } = server.flight;
  await server.client().query("SELECT 1");
  await server[Symbol.asyncDispose]();
  expect(server.backend.counts).toMatchObject({ openedSessions: 1, closedSessions: 1, openPrepared: 0, openRows: 0 });
  await using again = await ScenarioServer.open({}, { port });
  await again.client().query("SELECT 1");
});

test("a port that is taken is told by its address", async () => {
  await using server = await ScenarioServer.open();
  const options = { host: "127.0.0.1", port: server.flight.port, backend: server.backend };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const info = { name: "", version: "", arrowVersion: "", readOnly: false, statementTimeoutMs: 0 };
  const { config: limits } = loadConfig({ flags: { values: {}, unknown: [] }, env: {}, cwd: "/" });
  await expect(FlightServer.listen({ ...options, log, info, limits })).rejects.toThrow(
    new RegExp(`cannot listen on 127.0.0.1:${server.flight.port}`),
  );
});

test("streams in flight are bounded", async () => {
  await using server = await ScenarioServer.open({ maxStreamsInFlight: 1 });
  const client = server.client();
  const call = client.open("DoGet");
  call.on("error", () => undefined);
  call.write(ENDLESS);
  await until(() => server.inFlight.get("DoGet") === 1);
  await expect(client.get(Buffer.from("SELECT 1"))).rejects.toThrow(/max_streams_in_flight/);
  call.cancel();
});

test("the last messages of an answer, too, are waited for as long as a statement may be idle", async () => {
  await using server = await ScenarioServer.open({ statementIdleSeconds: 0.05 });
  // grpc-js would read 16 messages ahead.
  const session = connect(`http://127.0.0.1:${server.flight.port}`);
  const call = session.request({
    ":method": "POST",
    ":path": "/arrow.flight.protocol.FlightService/DoGet",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const failed = new Promise((resolve) => call.once("error", resolve));
  // Fewer messages than are written ahead.
  const ticket = Flight.Ticket.encode({ ticket: Buffer.from("SELECT 2 AS endless_stream") });
  call.end(Buffer.concat([Buffer.of(0, 0, 0, 0, ticket.length), ticket]));
  await failed;
  expect(call.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  await until(() => server.calls.length === 1);
  expect(server.inFlight.get("DoGet")).toBe(0);
  expect(server.leftAlone).toEqual(["answer"]);
  expect(server.calls).toEqual([{ method: "DoGet", command: expect.any(String), code: "RESOURCE_EXHAUSTED" }]);
  session.destroy();
});

test("metrics name methods and commands of this program only", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  await client.query("SELECT 1");
  await client.action("Nonsense-of-the-client", Buffer.alloc(0)).catch(() => undefined);
  await until(() => server.calls.length === 2);
  expect(server.calls).toEqual([
    { method: "GetFlightInfo", command: "CommandStatementQuery", code: "OK" },
    { method: "DoAction", command: "unknown", code: "UNIMPLEMENTED" },
  ]);
});

test("grpc-js still lets us find a call's stream and connection", async () => {
  const server = new Server();
  let found: unknown;
  const asIs = (bytes: Buffer) => bytes;
  const method = { path: "/x/y", requestStream: true, responseStream: true };
  server.addService(
    {
      y: {
        ...method,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    {
      y: (call: Parameters<typeof http2StreamOf>[0] & { end(): void }) => {
        const stream = http2StreamOf(call);
        found = {
          closed: stream?.closed,
          session: { setLocalWindowSize: stream?.session && Reflect.get(stream.session, "setLocalWindowSize") },
        };
        call.end();
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  using client = new FlightTestClient(port);
  await client.call("/x/y", []);
  expect(found).toMatchObject({ closed: false, session: { setLocalWindowSize: expect.any(Function) } });
  server.forceShutdown();
});

test("ListFlights and ListActions", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  await client.query("CREATE TABLE alpha (a INT)");
  await client.query("CREATE TABLE beta (b INT)");
  const list = async (text: string) => {
    const { messages } = await client.call("ListFlights", [Flight.Criteria.encode({ expression: Buffer.from(text) })]);
    return messages.map((message) => Flight.FlightInfo.decode(message).flight_descriptor?.path);
  };
  expect(await list("")).toEqual([
    ["main", "alpha"],
    ["main", "beta"],
  ]);
  expect(await list("MAIN.b")).toEqual([["main", "beta"]]);
  const { messages } = await client.call("ListActions", [Buffer.alloc(0)]);
  const types = messages.map((message) => Flight.ActionType.decode(message).type);
  expect(types).toContain("CancelFlightInfo");
  expect(types).not.toContain("BeginSavepoint");
});
