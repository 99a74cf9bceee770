import { join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { CommitProxy } from "../support/commit-proxy.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { postgresPlace } from "./catalog-rows.ts";
import { LakeRun } from "./lake-run.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";

async function doubtfulLake(scope: Scope) {
  const folder = scope.use(tempDir("in-doubt"));
  const server = scope.use(await startPostgres());
  server.createDatabase("lake");
  const proxy = scope.use(await CommitProxy.open(server.port));
  const dataPath = join(folder.path, "files/");
  const { settings, attach } = postgresPlace(server, "lake", proxy.port);
  const run = scope.use(new LakeRun({ settings: { ...settings, dataPath }, attach: { ...attach, dataPath } }));
  return { proxy, run };
}

test.skipIf(missing !== "")(`COMMITs whose answer is lost, with and without effect${missing}`, async () => {
  await using scope = new Scope();
  const { proxy, run } = await doubtfulLake(scope);
  await run.live(async (eider) => {
    await run.write(eider);
    expect(await run.flush(eider)).toBeNull();
    for (const cut of ["before", "after", "after", "before"] as const) {
      await run.write(eider);
      proxy.cutNext(cut);
      const before = proxy.cuts;
      expect(await run.flush(eider), cut).toBeNull();
      expect(proxy.cuts).toBe(before + 1);
      expect(await run.check(eider), cut).toEqual([]);
    }
    const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
    expect(metrics).toMatch(/^eider_commits_in_doubt_total 4$/m);
  });
  expect((await run.judge()).problems, run.logs).toEqual([]);
});

test.skipIf(missing !== "")(
  `a COMMIT in doubt while the catalog stays away, and over a restart${missing}`,
  async () => {
    await using scope = new Scope();
    const { proxy, run } = await doubtfulLake(scope);
    await run.live(async (eider) => {
      await run.write(eider);
      expect(await run.flush(eider)).toBeNull();
      await run.write(eider);
      proxy.cutNext("after", true);
      expect(await run.flush(eider)).toMatch(/is in doubt/);
      await expect(run.write(eider)).rejects.toThrow(/FlightUnavailableError: .*Unable to connect to Postgres/);
      proxy.up();
      expect(await run.flush(eider)).toBeNull();
      expect(await run.check(eider)).toEqual([]);
      await run.write(eider);
      proxy.cutNext("after", true);
      expect(await run.flush(eider)).toMatch(/is in doubt/);
      await eider.kill();
    });
    proxy.up();
    await run.live(async (eider) => {
      expect(await run.flush(eider)).toBeNull();
      expect(await run.check(eider)).toEqual([]);
    });
    expect((await run.judge()).problems, run.logs).toEqual([]);
  },
);
