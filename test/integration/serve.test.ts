import { once } from "node:events";
import { expect, test } from "vitest";
import { FlightTestClient } from "../support/flight-client.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

test("one line on stdout when ready; health, readiness and metrics answer; SIGTERM ends with 0", async () => {
  await using eider = await startEider();
  expect(eider.output).toBe(`eider ready flight=${eider.flightUri} http=${eider.httpUrl} data=${eider.dataDir}\n`);
  const health = await fetch(`${eider.httpUrl}/health`);
  expect([health.status, await health.json()]).toEqual([200, { status: "ok", db_connected: true }]);
  expect((await fetch(`${eider.httpUrl}/ready`)).status).toBe(200);
  const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  expect(metrics).toMatch(/^eider_build_info\{version="\d.*duckdb_version="v1\.5\.5".*\} 1$/m);
  expect(metrics).toMatch(/^eider_duckdb_memory_bytes\{instance="lake"\} \d+/m);
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(eider.output.split("\n")).toHaveLength(2);
});

test("SIGINT stops, too, and the same folder serves again", async () => {
  await using dir = tempDir("restart");
  await using first = await startEider({ dataDir: dir.path });
  expect(await first.stop("SIGINT")).toEqual({ code: 0, signal: null });
  await using second = await startEider({ dataDir: dir.path });
  expect((await fetch(`${second.httpUrl}/ready`)).status).toBe(200);
});

test("a second server on the same folder is refused in words", async () => {
  await using first = await startEider();
  await expect(startEider({ dataDir: first.dataDir })).rejects.toThrow(/eider ended with (1|78) before it was ready/);
  expect((await fetch(`${first.httpUrl}/health`)).status).toBe(200);
});

test("a port that is taken is refused with 78 and its name", async () => {
  await using first = await startEider();
  const httpPort = Number(new URL(first.httpUrl).port);
  await expect(startEider({ settings: { httpPort } })).rejects.toThrow(
    new RegExp(`ended with 78[^]*HTTP cannot listen on 127.0.0.1:${httpPort}`),
  );
});

test("a second signal ends the process at once, whatever runs in it", async () => {
  await using eider = await startEider();
  using client = new FlightTestClient(Number(new URL(eider.flightUri).port));
  const query = client.get(Buffer.from("SELECT sum(sin(i)) FROM range(1000000000000) t(i)"));
  const ended = expect(query).rejects.toThrow();
  await expect.poll(async () => (await fetch(`${eider.httpUrl}/metrics`)).text()).toMatch(/^eider_queries_running 1$/m);
  eider.process.kill("SIGTERM");
  await expect.poll(() => eider.logs).toContain("a second signal exits at once");
  expect(await eider.stop("SIGTERM")).toEqual({ code: null, signal: "SIGKILL" });
  await ended;
});

test("the process can be killed at any time", async () => {
  await using eider = await startEider();
  eider.process.kill("SIGKILL");
  await once(eider.process, "close");
  expect(await eider.exited).toEqual({ code: null, signal: "SIGKILL" });
});
