import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import type { Config } from "../../src/config/config.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { postgresPlace } from "./catalog-rows.ts";
import { LakeRun } from "./lake-run.ts";
import { STORE_ROWS } from "./store-rows.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";

async function makeLake(scope: Scope, more: Partial<Config> = {}) {
  const folder = scope.use(tempDir("catalog-away"));
  const server = scope.use(await startPostgres());
  server.createDatabase("lake");
  const { settings, attach } = postgresPlace(server, "lake");
  const files = await STORE_ROWS[0]?.make(folder.path, (resource) => scope.use(resource));
  if (!files) throw new Error("there is no such store");
  const run = new LakeRun({
    settings: { ...settings, ...files.settings, ...more },
    attach: { ...attach, dataPath: files.attach.dataPath },
  });
  return { server, run: scope.use(run) };
}

const readiness = async (eider: RunningEider) => {
  const response = await fetch(`${eider.httpUrl}/ready`);
  return { code: response.status, ...((await response.json()) as { status: string; reasons: string[] }) };
};

async function metric(eider: RunningEider, name: string): Promise<number> {
  const text = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}

test.skipIf(missing !== "")(
  `appends go on while PostgreSQL is stopped, and are flushed once when it is back${missing}`,
  async () => {
    await using scope = new Scope();
    const { server, run } = await makeLake(scope);
    await run.live(async (eider) => {
      await run.write(eider);
      expect(await run.flush(eider)).toBeNull();
      expect(await readiness(eider)).toMatchObject({ code: 200, status: "ready", reasons: [] });
      expect(await metric(eider, "eider_catalog_up")).toBe(1);

      for (let outage = 0; outage < 2; outage++) {
        await server.stop();
        for (let i = 0; i < 3; i++) await run.write(eider);
        await run.ingest(eider);
        await expect(run.sql(eider, "SELECT count(*) FROM plain")).rejects.toThrow(
          /FlightUnavailableError: .*catalog has not answered for \d+ s \(since .*Connection refused/s,
        );
        const query = await fetch(`${eider.httpUrl}/query`, {
          method: "POST",
          body: JSON.stringify({ sql: "SELECT count(*) FROM plain" }),
        });
        expect(query.status).toBe(503);
        expect(await query.text()).toMatch(/catalog has not answered for/);
        expect(await run.flush(eider)).toMatch(/FlightUnavailableError: .*catalog has not answered for/);
        expect(await readiness(eider)).toMatchObject({
          code: 200,
          status: "degraded",
          reasons: [
            expect.stringMatching(/catalog has not answered since .*appends to tables .* are taken, all else waits$/),
          ],
        });
        expect((await fetch(`${eider.httpUrl}/health`)).status).toBe(200);
        expect(await metric(eider, "eider_catalog_up")).toBe(0);
        expect(await metric(eider, "eider_catalog_outage_seconds")).toBeGreaterThan(0);

        await server.start();
        // The failed flush is made again by itself.
        await until(async () => (await metric(eider, "eider_catalog_up")) === 1);
        await run.write(eider);
        expect(await run.flush(eider)).toBeNull();
        expect(await run.check(eider)).toEqual([]);
        expect(await readiness(eider)).toMatchObject({ code: 200, status: "ready" });
      }
      expect(eider.logs).toMatch(/catalog does not answer; appends to known tables are kept/);
      expect(eider.logs).toMatch(/the lake's catalog is back/);
    });
    expect((await run.judge()).problems, run.logs).toEqual([]);
  },
);

test.skipIf(missing !== "")(
  `what was acknowledged while PostgreSQL was stopped survives a kill; the next start waits for the catalog${missing}`,
  async () => {
    await using scope = new Scope();
    const { server, run } = await makeLake(scope, { catalogWaitSeconds: 120 });
    await run.live(async (eider) => {
      await run.write(eider);
      await server.stop();
      await run.write(eider);
      await run.write(eider);
      await eider.kill();
    });
    let isWaiting: (said: string) => void = () => {};
    const waiting = new Promise<string>((resolve) => {
      isWaiting = resolve;
    });
    const life = run.live(
      async (eider) => {
        expect(await run.flush(eider)).toBeNull();
        expect(await run.check(eider)).toEqual([]);
      },
      undefined,
      (child) => {
        child.stderr?.on("data", (text: Buffer) => {
          if (/catalog does not answer yet/.test(String(text))) isWaiting(String(text));
        });
      },
    );
    expect(await Promise.race([waiting, life])).toMatch(/"waitsSeconds":\d+.*catalog_wait_seconds/);
    await server.start();
    await life;
    expect((await run.judge()).problems, run.logs).toEqual([]);
  },
);

test.skipIf(missing !== "")(
  `a start gives up in words when the catalog stays away, and at once when it refuses${missing}`,
  async () => {
    await using scope = new Scope();
    const { server, run } = await makeLake(scope, { catalogWaitSeconds: 1 });
    const start = () => run.live(async () => {});
    await server.stop();
    await expect(start()).rejects.toThrow(/the lake cannot be attached: .*Connection refused/s);
    const stopped = run.live(
      async () => {},
      undefined,
      (child) => {
        child.stderr?.on("data", (text: Buffer) => {
          if (/does not answer yet/.test(String(text))) child.kill("SIGTERM");
        });
      },
      { catalogWaitSeconds: 3600 },
    );
    await expect(stopped).rejects.toThrow(/ended with 0 before it was ready.*stopped while waiting for the lake/s);
    await server.start();
    const wrong = run.live(async () => {}, undefined, undefined, {
      catalogWaitSeconds: 3600,
      catalogPassword: "not this one",
    });
    await expect(wrong).rejects.toThrow(/authentication failed/);
  },
);

test("a start does not wait for ever for a catalog that takes the connection and says nothing, and can be stopped", async () => {
  await using scope = new Scope();
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const sockets: Socket[] = [];
  silent.on("connection", (socket) => sockets.push(socket.on("error", () => undefined)));
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const { port } = silent.address() as AddressInfo;
  const start = startEider({
    settings: { catalog: `postgres:host=127.0.0.1 port=${port} dbname=lake user=ada` },
    onSpawn: (child) => {
      child.stderr?.on("data", (text: Buffer) => {
        if (/does not answer yet/.test(String(text))) child.kill("SIGTERM");
      });
    },
  });
  await expect(start).rejects.toThrow(/ended with 0 before it was ready.*timeout expired.*stopped while waiting/s);
});
