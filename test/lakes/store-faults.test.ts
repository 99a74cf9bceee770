import { join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { S3_KEY_ID, S3_SECRET, startS3 } from "../support/s3-server.ts";
import { StoreProxy } from "../support/store-proxy.ts";
import { tempDir } from "../support/temp-dir.ts";
import { LakeRun } from "./lake-run.ts";

test("an object store that refuses, fails or dawdles: flushes fail in words, appends go on, and nothing is lost", async () => {
  await using scope = new Scope();
  const folder = scope.use(tempDir("store-faults"));
  const store = scope.use(await startS3());
  await store.createBucket("lake");
  const proxy = scope.use(await StoreProxy.open(store.endpoint));
  const dataPath = "s3://lake/files/";
  const catalog = join(folder.path, "catalog.ducklake");
  const secret = `KEY_ID '${S3_KEY_ID}', SECRET '${S3_SECRET}', ENDPOINT '${store.endpoint}', URL_STYLE 'path', USE_SSL false`;
  const run = scope.use(
    new LakeRun({
      settings: {
        catalog: `duckdb:${catalog}`,
        dataPath,
        storeEndpoint: proxy.endpoint,
        storeUrlStyle: "path",
        storeUseSsl: false,
        storeRegion: "us-east-1",
        storeKeyId: S3_KEY_ID,
        storeSecret: S3_SECRET,
      },
      attach: {
        extensions: ["httpfs"],
        setup: [`CREATE SECRET judge_store (TYPE s3, ${secret})`],
        catalog,
        dataPath,
        options: [],
      },
    }),
  );
  await run.live(async (eider) => {
    await run.write(eider);
    expect(await run.flush(eider)).toBeNull();
    for (const [status, words] of [
      [403, /FlightUnavailableError: .*(403|Forbidden|Access Denied)/i],
      [500, /FlightUnavailableError: .*(500|Internal Server Error)/i],
    ] as const) {
      proxy.fault = { kind: "status", status };
      await run.write(eider);
      expect(await run.flush(eider)).toMatch(words);
      expect(proxy.faults).toBeGreaterThan(0);
      // The catalog is well: queries of what is in the lake go on, and so do appends.
      expect(await run.sql(eider, "SELECT count(*) AS n FROM plain")).toEqual([{ n: expect.any(Number) }]);
      await run.write(eider);
      const ready = (await (await fetch(`${eider.httpUrl}/ready`)).json()) as { status: string };
      expect(ready.status).toBe("ready");
      const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
      expect(metrics).toMatch(/^eider_flushes_total\{.*result="failed"\} [1-9]/m);

      proxy.fault = { kind: "none" };
      expect(await run.flush(eider)).toBeNull();
      expect(await run.check(eider)).toEqual([]);
    }
    proxy.fault = { kind: "slow", delayMs: 1_500 };
    await run.write(eider);
    const flushed = run.flush(eider);
    expect(await flushed).toBeNull();
    proxy.fault = { kind: "none" };
    expect(await run.check(eider)).toEqual([]);
    expect(eider.logs).toMatch(/a flush failed; its rows are kept and it is tried again/);
  });
  expect((await run.judge()).problems, run.logs).toEqual([]);
});
