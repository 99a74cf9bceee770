import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { EiderError } from "../../../src/errors.ts";
import { HealthProbe } from "../../../src/http/health.ts";
import { type OperationServices, operationRoutes } from "../../../src/http/operations.ts";
import { type HttpOptions, HttpServer } from "../../../src/http/server.ts";
import { createLog } from "../../../src/observe/log.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";

async function open(overrides: Partial<OperationServices & HttpOptions> = {}) {
  const metrics = createMetrics();
  const services = {
    metrics,
    probe: async () => {},
    notReady: () => [],
    flush: async (_table: string | undefined) => {},
    ...overrides,
  };
  const server = await HttpServer.open({
    host: "127.0.0.1",
    port: 0,
    log: createLog({ level: "silent", isTerminal: false }),
    metrics,
    routes: operationRoutes(services),
    ...overrides,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const call = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, text, body: isJson ? JSON.parse(text) : undefined, response };
  };
  return { server, call };
}

describe("GET /health", () => {
  test("asks the database", async () => {
    const { call } = await open();
    expect(await call("/health")).toMatchObject({ status: 200, body: { status: "ok", db_connected: true } });
  });

  test("is 503 when the database does not answer", async () => {
    const { call } = await open({
      probe: async () => {
        throw new Error("instance is gone");
      },
    });
    expect(await call("/health")).toMatchObject({
      status: 503,
      body: { status: "error", db_connected: false, error: "instance is gone" },
    });
  });
});

describe("a server of this machine without authentication", () => {
  /** fetch sets the header itself. */
  const statusFor = (port: number, host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const call = request({ host: "127.0.0.1", port, path: "/metrics", headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      call.on("error", reject).end();
    });

  test("answers to its own names alone, so that no site can make its name lead here", async () => {
    const { server } = await open({ isLoopback: true });
    const { port } = server;
    for (const host of ["localhost", `127.0.0.1:${port}`, "[::1]:4280", "LOCALHOST:1", "eider.localhost"]) {
      expect(await statusFor(port, host), host).toBe(200);
    }
    for (const host of ["evil.example", `evil.example:${port}`, "localhost.evil.example", "127.0.0.1.evil.example"]) {
      expect(await statusFor(port, host), host).toBe(403);
    }
  });

  test("others answer to any name", async () => {
    const { server } = await open();
    expect(await statusFor(server.port, "eider.example")).toBe(200);
  });
});

describe("HealthProbe", () => {
  test("a probe that hangs fails at the timeout and is not started twice", async () => {
    let nowMs = 0;
    let started = 0;
    let release = () => {};
    const probe = () => {
      started++;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    const health = new HealthProbe({ probe, now: () => nowMs, timeoutMs: 5, freshMs: 1 });
    expect(await health.check()).toContain("did not answer");
    nowMs = 6;
    expect(await health.check()).toContain("did not answer");
    expect(started).toBe(1);
    release();
    await expect.poll(() => health.check()).toBeUndefined();
    expect(started).toBe(1);
  });

  test("a success is believed for a while, then asked again", async () => {
    let nowMs = 0;
    let started = 0;
    const probe = async () => {
      started++;
    };
    const health = new HealthProbe({ probe, now: () => nowMs });
    await health.check();
    nowMs = 900;
    await health.check();
    expect(started).toBe(1);
    nowMs = 1_100;
    expect(await health.check()).toBeUndefined();
    expect(started).toBe(2);
  });
});

test("GET /ready tells why not", async () => {
  const reasons = ["recovering segments"];
  const { call } = await open({ notReady: () => reasons });
  expect(await call("/ready")).toMatchObject({ status: 503, body: { status: "not_ready", reasons } });
  reasons.pop();
  expect(await call("/ready")).toMatchObject({ status: 200, body: { status: "ready", reasons: [] } });
});

test("a route asked for by another method says which it takes", async () => {
  const { call } = await open();
  const { status, body, response } = await call("/flush?x=1");
  expect([status, body.error.code, body.error.message]).toEqual([
    405,
    "method_not_allowed",
    "/flush takes POST, not GET",
  ]);
  expect(response.headers.get("allow")).toBe("POST");
  expect((await call("/flush", { method: "QUERY" })).status).toBe(405);
  expect((await call("/nowhere", { method: "QUERY" })).status).toBe(404);
});

test("an address that cannot be read is an error of the same shape as all others", async () => {
  const { call } = await open();
  const { status, body } = await call("/%zz");
  expect([status, body.error.code, body.error.retryable]).toEqual([400, "request_invalid", false]);
});

test("GET /metrics is Prometheus' text and counts requests by route, not by address", async () => {
  const { call } = await open();
  await call("/nonsense/1");
  await call("/ready?x=1");
  const { status, text, response } = await call("/metrics");
  expect(status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(text).toContain('eider_http_requests_total{route="none",code="404"} 1');
  expect(text).toContain('eider_http_requests_total{route="/ready",code="200"} 1');
});

describe("POST /flush", () => {
  test("without a body flushes all, with one the table, whatever the content type", async () => {
    const flushed: Array<string | undefined> = [];
    const { call } = await open({
      flush: async (table) => {
        flushed.push(table);
      },
    });
    expect(await call("/flush", { method: "POST" })).toMatchObject({
      status: 200,
      body: { status: "ok", flushed: "all" },
    });
    const body = JSON.stringify({ table: "main.t" });
    expect((await call("/flush", { method: "POST", body })).body).toEqual({ status: "ok", flushed: "main.t" });
    const headers = { "content-type": "application/json" };
    expect((await call("/flush", { method: "POST", body, headers })).body).toEqual({ status: "ok", flushed: "main.t" });
    expect((await call("/flush", { method: "POST", body: "", headers })).body).toEqual({
      status: "ok",
      flushed: "all",
    });
    const unreadable = { "content-type": ";;;" };
    expect((await call("/flush", { method: "POST", body, headers: unreadable })).status).toBe(200);
    expect(flushed).toEqual([undefined, "main.t", "main.t", undefined, "main.t"]);
  });

  test("takes a byte order mark, and refuses bytes that are not UTF-8 and bodies that are packed", async () => {
    const { call } = await open();
    const flush = (body: Uint8Array, headers = {}) =>
      call("/flush", { method: "POST", body: Buffer.from(body), headers });
    expect((await flush(Buffer.from('\ufeff{"table":"t"}'))).body).toEqual({ status: "ok", flushed: "t" });
    const latin1 = await flush(Buffer.from('{"table":"\xe9"}', "latin1"));
    expect([latin1.status, latin1.body.error.code]).toEqual([400, "request_invalid"]);
    const packed = await flush(gzipSync("{}"), { "content-encoding": "gzip" });
    expect([packed.status, packed.body.error.message]).toEqual([
      400,
      "send the body as it is, without Content-Encoding: gzip",
    ]);
  });

  test.each([
    ["{", "not JSON"],
    ["[1]", "must be a JSON object"],
    ['{"tabel":"t"}', "unknown field `tabel`"],
    ['{"table":7}', "`table`: must be a name"],
  ])("refuses %s", async (body, message) => {
    const { call } = await open();
    const { status, body: answer } = await call("/flush", { method: "POST", body });
    expect(status).toBe(400);
    expect(answer.error).toMatchObject({ code: "request_invalid", retryable: false });
    expect(answer.error.message).toContain(message);
  });

  test("answers an error with its own status, and an unknown one without its text", async () => {
    const errors: Error[] = [
      new EiderError("table_not_found", "table main.t does not exist"),
      new Error("secret text"),
    ];
    const { call } = await open({
      flush: async () => {
        throw errors.shift();
      },
    });
    const known = await call("/flush", { method: "POST" });
    expect([known.status, known.body.error.code]).toEqual([404, "table_not_found"]);
    const unknown = await call("/flush", { method: "POST" });
    expect([unknown.status, unknown.body.error.code]).toEqual([500, "internal"]);
    expect(unknown.text).not.toContain("secret text");
  });

  test("refuses a body beyond the limit", async () => {
    const { call } = await open();
    const { status } = await call("/flush", { method: "POST", body: JSON.stringify({ table: "x".repeat(2 ** 20) }) });
    expect(status).toBe(413);
  });
});

test("a port that is taken is a config error that names it", async () => {
  const { server } = await open();
  await expect(open({ port: server.port })).rejects.toMatchObject({
    code: "config_invalid",
    message: expect.stringContaining(`HTTP cannot listen on 127.0.0.1:${server.port}`),
  });
});

test("closing ends idle connections at once", async () => {
  const { server, call } = await open();
  await call("/ready");
  await server[Symbol.asyncDispose]();
  await expect(call("/ready")).rejects.toThrow();
});
