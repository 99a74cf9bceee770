import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tableFromArrays } from "apache-arrow";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { connect } from "../../src/index.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { startEider } from "../support/start-eider.ts";
import { TcpGate } from "../support/tcp-gate.ts";
import { tempDir } from "../support/temp-dir.ts";
import { postgresPlace } from "./catalog-rows.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";
const TABLES = ["a", "b", "c", "d"];
const BATCH = tableFromArrays({ id: BigInt64Array.from({ length: 50 }, (_, i) => BigInt(i)) }).batches;
/** Added to each message to the catalog; a commit sends some twenty. */
const DELAY_MS = 25;
/** Commits that are looked at, slow and quick. */
const COMMITS = 4;

test.skipIf(missing !== "")(
  `while the catalog is slow, commits are fewer and larger, and acknowledgements as quick; all rows arrive${missing}`,
  async () => {
    await using scope = new Scope();
    const folder = scope.use(tempDir("slow-catalog"));
    const server = scope.use(await startPostgres());
    server.createDatabase("lake");
    const gate = scope.use(await TcpGate.open(server.port));
    const eider = scope.use(
      await startEider({
        dataDir: join(folder.path, "data"),
        settings: {
          ...postgresPlace(server, "lake", gate.port).settings,
          dataPath: join(folder.path, "lake"),
          bufferMaxAgeSeconds: 0.2,
          sweepIntervalSeconds: 0.1,
          commitPauseMaxSeconds: 5,
          housekeepingIntervalSeconds: 0,
        },
      }),
    );
    const metric = async (pattern: string) => {
      const text = await (await fetch(`${eider.httpUrl}/metrics`)).text();
      const values = [...text.matchAll(new RegExp(`^${pattern} (\\S+)$`, "gm"))].map(([, value]) => Number(value));
      return values.reduce((sum, value) => sum + value, 0);
    };

    const client = scope.use(await connect(eider.flightUri));
    for (const table of TABLES) await client.execute(`CREATE TABLE ${table} (id BIGINT)`);
    let isWriting = true;
    let written = 0;
    let acknowledgedMs: number[] = [];
    /** One stream for each table: a batch a time, as each is acknowledged. */
    const write = async (table: string) => {
      await using own = await connect(eider.flightUri);
      let sentMs = 0;
      let acknowledge = () => {};
      async function* batches() {
        while (isWriting) {
          const acknowledged = new Promise<void>((resolve) => {
            acknowledge = resolve;
          });
          sentMs = performance.now();
          yield* BATCH;
          await acknowledged;
          await sleep(20);
        }
      }
      const onAck = () => {
        acknowledgedMs.push(performance.now() - sentMs);
        written += 50;
        acknowledge();
      };
      await own.put(table, batches(), { onAck });
    };
    const writers = Promise.all(TABLES.map(write));
    let failure: unknown;
    writers.catch((error) => {
      failure = error;
    });
    const rest = async () => {
      if (failure !== undefined) throw failure;
      await sleep(50);
    };

    const ask = async (sql: string) => Number((await (await client.query(sql)).toTable()).get(0)?.["n"]);
    const snapshots = () => ask("SELECT max(snapshot_id) AS n FROM __ducklake_metadata_lake.ducklake_snapshot");
    const rowsInLake = () => metric('eider_flush_rows_total\\{table="[^"]*",change="inserted"\\}');
    /** Looks on until so many commits have been made. */
    const look = async () => {
      const before = { started: performance.now(), commits: await snapshots(), rows: await rowsInLake() };
      acknowledgedMs = [];
      while ((await snapshots()) < before.commits + COMMITS) await rest();
      const seconds = (performance.now() - before.started) / 1000;
      const commits = (await snapshots()) - before.commits;
      const sorted = acknowledgedMs.toSorted((one, other) => one - other);
      return {
        commitsPerSecond: commits / seconds,
        rowsPerCommit: ((await rowsInLake()) - before.rows) / commits,
        p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
        p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      };
    };
    const until = async (condition: (pauseSeconds: number) => boolean) => {
      while (!condition(await metric("eider_commit_pause_seconds"))) await rest();
    };

    await look();
    const quick = await look();
    gate.delayMs = DELAY_MS;
    await until((pause) => pause > 0.1);
    const slow = await look();
    gate.delayMs = 0;
    const pauseThen = await metric("eider_commit_pause_seconds");
    await until((pause) => pause < pauseThen / 4);
    isWriting = false;
    await writers;
    await client.flush();
    console.log(JSON.stringify({ quick, slow, pauseThen }));
    expect(slow.rowsPerCommit).toBeGreaterThan(quick.rowsPerCommit);
    expect(slow.commitsPerSecond).toBeLessThan(quick.commitsPerSecond);

    const counts = TABLES.map((table) => `SELECT count(*) AS n FROM ${table}`).join(" UNION ALL ");
    expect(await ask(`SELECT sum(n)::BIGINT AS n FROM (${counts})`)).toBe(written);
    expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
  },
);
