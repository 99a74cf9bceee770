import { join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { CommitProxy } from "../support/commit-proxy.ts";
import { FlightTestClient } from "../support/flight-client.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { tempDir } from "../support/temp-dir.ts";
import { postgresPlace } from "./catalog-rows.ts";
import { LakeRun } from "./lake-run.ts";
import { STORE_ROWS, type StoreTestRow } from "./store-rows.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";

async function doubtfulLake(scope: Scope, store: StoreTestRow | undefined) {
  const folder = scope.use(tempDir("in-doubt"));
  const server = scope.use(await startPostgres());
  server.createDatabase("lake");
  const proxy = scope.use(await CommitProxy.open(server.port));
  const { settings, attach } = postgresPlace(server, "lake", proxy.port);
  const files = await store?.make(folder.path, (resource) => scope.use(resource));
  if (!files) throw new Error("there is no such store");
  const run = new LakeRun({
    settings: { ...settings, ...files.settings },
    attach: {
      ...attach,
      extensions: [...attach.extensions, ...files.attach.extensions],
      setup: [...attach.setup, ...files.attach.setup],
      dataPath: files.attach.dataPath,
    },
  });
  return { proxy, run: scope.use(run) };
}

test.skipIf(missing !== "").each(STORE_ROWS.slice(0, 2).map((store) => ({ name: store.name, store })))(
  `$name: COMMITs whose answer is lost, with and without effect${missing}`,
  async ({ store }) => {
    await using scope = new Scope();
    const { proxy, run } = await doubtfulLake(scope, store);
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
      // Two COMMITs took effect, each with at least a data file.
      expect(Number(/^eider_guard_restored_files (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThanOrEqual(2);
    });
    expect((await run.judge()).problems, run.logs).toEqual([]);
  },
);

test.skipIf(missing !== "")(
  `a COMMIT in doubt while the catalog stays away, and over a restart${missing}`,
  async () => {
    await using scope = new Scope();
    const { proxy, run } = await doubtfulLake(scope, STORE_ROWS[0]);
    await run.live(async (eider) => {
      await run.write(eider);
      expect(await run.flush(eider)).toBeNull();
      await run.write(eider);
      proxy.cutNext("after", true);
      expect(await run.flush(eider)).toMatch(/is in doubt/);
      await run.write(eider);
      await expect(run.sql(eider, "SELECT count(*) FROM plain")).rejects.toThrow(
        /FlightUnavailableError: .*catalog has not answered for \d+ s .*Unable to connect to Postgres/,
      );
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

const ROWS = 1000;

/** More rows than DuckLake keeps in its catalog, as a statement of its own, from a file, and in a transaction. */
const CLIENT_WRITES = [
  { name: "an INSERT", statements: (n: number) => [`INSERT INTO mine SELECT ${n}, range FROM range(${ROWS})`] },
  {
    name: "COPY",
    statements: (n: number, file: string) => [
      `COPY (SELECT ${n}, range FROM range(${ROWS})) TO '${file}'`,
      `COPY mine FROM '${file}'`,
    ],
  },
  {
    name: "COMMIT",
    statements: (n: number) => ["BEGIN", `INSERT INTO mine SELECT ${n}, range FROM range(${ROWS})`, "COMMIT"],
  },
] as const;

test.skipIf(missing !== "")(
  `a client's own COMMIT whose answer is lost: its files stay, and the client is told how to find out${missing}`,
  async () => {
    await using scope = new Scope();
    const { proxy, run } = await doubtfulLake(scope, STORE_ROWS[0]);
    const folder = scope.use(tempDir("copied"));
    await run.live(async (eider) => {
      using client = new FlightTestClient(Number(new URL(eider.flightUri).port));
      await client.query("CREATE TABLE mine (n INT, a BIGINT)");
      let n = 0;
      const committed: number[] = [];
      for (const cut of ["after", "before"] as const) {
        for (const { name, statements } of CLIENT_WRITES) {
          n++;
          if (cut === "after") committed.push(n);
          const [last = "", ...before] = statements(n, join(folder.path, `${n}.csv`)).toReversed();
          for (const sql of before.reverse()) await client.query(sql);
          proxy.cutNext(cut);
          await expect(client.query(last), `${name} ${cut}`).rejects.toMatchObject({
            code: 14,
            message: expect.stringMatching(/not known whether the transaction was committed.*lake\.snapshots\(\)/s),
          });
          const found = await run.sql(
            eider,
            "SELECT n, count(*) AS rows, sum(a) AS sum FROM mine GROUP BY n ORDER BY n",
          );
          const sum = (ROWS * (ROWS - 1)) / 2;
          expect(
            found.map((row) => [Number(row["n"]), Number(row["rows"]), Number(row["sum"])]),
            `${name} ${cut}`,
          ).toEqual(committed.map((m) => [m, ROWS, sum]));
        }
      }
      expect(proxy.cuts).toBe(6);
    });
  },
);
