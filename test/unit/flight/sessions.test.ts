import { expect, test } from "vitest";
import { Flight } from "../../../src/wire/messages.ts";
import { type FlightTestClient, ticketOf, until } from "../../support/flight-client.ts";
import { ScenarioServer } from "../../support/scenario-server.ts";

const NO_BODY = Buffer.alloc(0);
const UNAUTHENTICATED = 16;
const NOT_FOUND = 5;

const makeTemp = (client: FlightTestClient, name: string) => client.query(`CREATE TEMP TABLE ${name} (a INT)`);

async function tokenOf(client: FlightTestClient, headers: Record<string, string> = {}) {
  const request = Flight.FlightDescriptor.encode({ type: 2, cmd: Buffer.from("SELECT 1") });
  const answer = await client.call("GetFlightInfo", [request], headers);
  return {
    token: String(answer.headers.get("authorization")[0] ?? ""),
    cookie: String(answer.headers.get("set-cookie")[0] ?? "").split(";")[0] ?? "",
  };
}

test("a client that keeps nothing has one session per connection", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  await makeTemp(client, "mine");
  await client.query("SELECT * FROM mine");
  expect(server.backend.counts.openedSessions).toBe(1);
  await expect(server.client().query("SELECT * FROM mine")).rejects.toMatchObject({ code: NOT_FOUND });
  expect(server.backend.counts.openedSessions).toBe(2);
});

test("its session ends with its connection", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  await makeTemp(client, "mine");
  client[Symbol.dispose]();
  await until(() => server.backend.counts.closedSessions === 1);
});

test.each(["token", "cookie"] as const)("a client that keeps the %s is known on any connection", async (kind) => {
  await using server = await ScenarioServer.open();
  const first = server.client();
  const { token, cookie } = await tokenOf(first);
  expect(token).toMatch(/^Bearer eider-session-/);
  const headers: Record<string, string> =
    kind === "token" ? { authorization: token } : { cookie: `other=1; ${cookie}` };
  await server.client(headers).query("CREATE TEMP TABLE mine (a INT)");
  await first.query("SELECT * FROM mine", headers);
  expect(server.backend.counts.openedSessions).toBe(1);
});

test("behind a proxy, the next client of the connection has a session of its own", async () => {
  await using server = await ScenarioServer.open();
  const proxy = server.client();
  const first = await tokenOf(proxy);
  await proxy.query("CREATE TEMP TABLE mine (a INT)", { authorization: first.token });
  const second = await tokenOf(proxy);
  expect(second.token).not.toBe(first.token);
  await expect(proxy.query("SELECT * FROM mine", { authorization: second.token })).rejects.toMatchObject({
    code: NOT_FOUND,
  });
  await proxy.query("SELECT * FROM mine", { authorization: first.token });
});

test("a token that is shared by many clients is no session: the connection is", async () => {
  await using server = await ScenarioServer.open();
  const shared = { authorization: "Bearer a-static-token" };
  await makeTemp(server.client(shared), "mine");
  await expect(server.client(shared).query("SELECT * FROM mine")).rejects.toMatchObject({ code: NOT_FOUND });
});

test("a token or cookie that is not known any more is refused, never given a fresh session", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  for (const headers of [{ authorization: "Bearer eider-session-gone" }, { cookie: "arrow_flight_session_id=gone" }]) {
    await expect(client.query("SELECT 1", headers)).rejects.toMatchObject({ code: UNAUTHENTICATED });
  }
  await expect(client.query("SELECT 1", { authorization: "Digest x" })).rejects.toMatchObject({
    code: UNAUTHENTICATED,
  });
  expect(server.backend.counts.openedSessions).toBe(0);
});

test("an idle session is closed: a token hears of it, a connection once", async () => {
  await using server = await ScenarioServer.open({ sessionIdleSeconds: 0.05 });
  const [withToken, without] = [server.client(), server.client()];
  const { token } = await tokenOf(withToken);
  await makeTemp(without, "mine");
  await until(() => server.backend.counts.closedSessions === 2);
  await expect(withToken.query("SELECT 1", { authorization: token })).rejects.toMatchObject({ code: UNAUTHENTICATED });
  await expect(without.query("SELECT 1")).rejects.toThrow(/session_idle_seconds.*the next request begins a new one/);
  await without.query("SELECT 1");
});

test("a session without connections is closed sooner, one in use never", async () => {
  await using server = await ScenarioServer.open({ sessionOrphanSeconds: 0.05, sessionIdleSeconds: 0.05 });
  const orphan = server.client();
  const { token } = await tokenOf(orphan);
  await orphan.query("SELECT 1", { authorization: token });
  const busy = server.client();
  const stream = busy.open("DoGet");
  stream.write(Flight.Ticket.encode({ ticket: Buffer.from("SELECT 100000 AS endless_stream") }));
  await new Promise((resolve) => stream.once("data", resolve));
  stream.pause();
  orphan[Symbol.dispose]();
  await until(() => server.backend.counts.closedSessions === 1);
  const resumed = new Promise((resolve) => stream.once("data", resolve));
  stream.resume();
  await resumed;
  stream.on("error", () => undefined);
  stream.cancel();
});

test("there are at most max_sessions", async () => {
  await using server = await ScenarioServer.open({ maxSessions: 1 });
  await server.client().query("SELECT 1");
  await expect(server.client().query("SELECT 1")).rejects.toThrow(
    /as many as max_sessions \(1\) allows.*session_idle_seconds \(1800\)/,
  );
});

test("asking for a session's options does not begin one", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const [options] = await client.action("GetSessionOptions", NO_BODY);
  expect(Flight.GetSessionOptionsResult.decode(options ?? NO_BODY).session_options ?? {}).toEqual({});
  await expect(client.action("CloseSession", NO_BODY)).rejects.toMatchObject({ code: NOT_FOUND });
  expect(server.backend.counts.openedSessions).toBe(0);
});

test("options are set, refused, and read back in all their types", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const set = (options: object) =>
    client.action("SetSessionOptions", Flight.SetSessionOptionsRequest.encode({ session_options: { ...options } }));
  const [answer] = await set({ schema: { string_value: "main" }, nonsense: { bool_value: true }, gone: {} });
  expect(Flight.SetSessionOptionsResult.decode(answer ?? NO_BODY)).toEqual({
    errors: { nonsense: { value: 1 }, gone: { value: 1 } },
  });
  await expect(set({ catalog: { string_value: "nowhere" } })).rejects.toMatchObject({ code: NOT_FOUND });
  const [options] = await client.action("GetSessionOptions", NO_BODY);
  expect(Flight.GetSessionOptionsResult.decode(options ?? NO_BODY).session_options).toEqual({
    catalog: { string_value: "memory" },
    schema: { string_value: "main" },
    big: { int64_value: "9007199254740993" },
    ratio: { double_value: 0.5 },
    on: { bool_value: true },
    list: { string_list_value: { values: ["a", "b"] } },
  });
});

test("CloseSession frees all that the session held, and its token is no longer good", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const { token } = await tokenOf(client);
  const headers = { authorization: token };
  const info = await client.query("SELECT 1", headers);
  const request = Flight.Action.encode({ type: "CloseSession", body: NO_BODY });
  const { messages, headers: answered } = await client.call("DoAction", [request], headers);
  expect(Flight.CloseSessionResult.decode(Flight.Result.decode(messages[0] ?? NO_BODY).body)).toEqual({ status: 1 });
  expect(String(answered.get("set-cookie")[0])).toContain("Max-Age=0");
  expect(server.backend.counts).toMatchObject({ closedSessions: 1, openPrepared: 0 });
  await expect(client.query("SELECT 1", headers)).rejects.toMatchObject({ code: UNAUTHENTICATED });
  await expect(client.get(ticketOf(info))).rejects.toMatchObject({ code: NOT_FOUND });
});

test("a handshake answers each message as it comes, and begins a session of its own", async () => {
  await using server = await ScenarioServer.open();
  const client = server.client();
  const tokens: string[] = [];
  for (const headers of [{ authorization: "Basic am9lOnB3" }, { authorization: "Bearer static" }, {}]) {
    const call = client.open("Handshake", headers);
    const answer = new Promise<Buffer>((resolve) => call.once("data", resolve));
    call.write(
      Flight.HandshakeRequest.encode({ payload: Flight.BasicAuth.encode({ username: "joe", password: "pw" }) }),
    );
    tokens.push(Buffer.from(Flight.HandshakeResponse.decode(await answer).payload ?? NO_BODY).toString());
    call.end();
    await new Promise((resolve) => call.once("status", resolve));
  }
  expect(new Set(tokens).size).toBe(3);
  const [token = ""] = tokens;
  await client.query("CREATE TEMP TABLE mine (a INT)", { authorization: `Bearer ${token}` });
  await client.query("SELECT * FROM mine", { "auth-token-bin": token }).catch(() => undefined);
});

test("a handshake without a message is answered in the header (Go sends none)", async () => {
  await using server = await ScenarioServer.open();
  const { headers, messages } = await server.client().call("Handshake", [], { authorization: "Basic am9lOnB3" });
  expect(messages).toEqual([]);
  expect(String(headers.get("authorization")[0])).toMatch(/^Bearer eider-session-/);
});

test("Java is known by its user agent, unless a header says what it can read", async () => {
  await using server = await ScenarioServer.open();
  const java = "grpc-java-netty/1.71.0";
  await server.client({}, java).query("SELECT 1");
  await server.client({ unsigned: "keep" }, java).query("SELECT 1");
  await server.client({ unsigned: "widen" }).query("SELECT 1");
  await server.client().query("SELECT 1");
  expect(server.backend.counts.clients.map((client) => client.widenUnsigned)).toEqual([true, false, true, false]);
});
