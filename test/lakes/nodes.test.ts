import { cp, rename, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { postgresPrograms } from "../support/postgres-server.ts";
import { NodeRun } from "./node-run.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";
const NODES = [0, 1, 2, 3];
/** Operations of each writer; more of them: `npm run test:nodes:long`. */
const COUNT = Number(process.env["EIDER_NODE_OPERATIONS"] ?? 12);

test.skipIf(missing !== "")(
  `four nodes write, die and come back while the store fails and tables change: the exact result${missing}`,
  async () => {
    await using run = await NodeRun.open({
      bufferMaxAgeSeconds: 1,
      housekeepingIntervalSeconds: 2,
      mergeFiles: 6,
      rewriteFlushes: 5,
    });
    await Promise.all(NODES.map((node) => run.start(node)));
    await run.write(COUNT);
    await run.progress(COUNT * 0.1);
    await run.kill(1);
    await run.start(1);
    await run.sql(0, "ALTER TABLE events ADD COLUMN extra BIGINT");
    await run.useExtra();
    await run.progress(COUNT * 0.3);
    await run.put(2, ["outage"], [{ id: 0 }]);
    run.store.shut();
    await run.put(2, ["outage"], [{ id: 1 }]);
    await expect(run.flush(2)).rejects.toThrow();
    await run.kill(2);
    run.store.open();
    await run.start(2);
    await run.progress(COUNT * 0.6);
    await run.sql(3, "ALTER TABLE events RENAME COLUMN v TO words");
    await Promise.all([run.kill(0), run.kill(3)]);
    await Promise.all([run.start(0), run.start(3)]);
    expect(await run.wait(), run.logs).toEqual([]);
    await Promise.all(NODES.map((node) => run.flush(node)));
    const verdict = await run.judge();
    expect(verdict.problems, run.logs).toEqual([]);
    expect(verdict.authors).toBe(4);
    expect(await run.read("FROM outage ORDER BY id")).toEqual([[0], [1]]);
  },
);

test.skipIf(missing !== "")(
  `rows that wait on one node while another changes their table; a disk that moves, is copied, is lost${missing}`,
  async () => {
    await using run = await NodeRun.open({ bufferMaxAgeSeconds: 3600, housekeepingIntervalSeconds: 0 });
    await Promise.all([0, 1].map((node) => run.start(node)));

    // A key set elsewhere makes waiting rows upserts; those with a NULL in it are nobody's upsert and stay.
    await run.sql(0, "CREATE TABLE late (id BIGINT, v VARCHAR)");
    await run.sql(0, "INSERT INTO late VALUES (1, 'old'), (2, 'old')");
    const late = [1, 1, 3, null, null].map((id, i) => ({ id, v: `row ${i}` }));
    await run.put(1, ["late"], late);
    await run.sql(0, "CALL eider_set_primary_key('late', ['id'])");
    await run.flush(1);
    expect(await run.read("SELECT id, v FROM late ORDER BY ALL")).toEqual([
      [1, "row 1"],
      [2, "old"],
      [3, "row 2"],
      [null, "row 3"],
      [null, "row 4"],
    ]);
    // The key is in the lake: the other node's batches are upserts from now on, and NULLs refused.
    await run.put(1, ["late"], [{ id: 2, v: "new" }]);
    await expect(run.put(1, ["late"], [{ id: null, v: "x" }])).rejects.toThrow(/id/);
    await run.flush(1);
    expect(await run.read("SELECT v FROM late WHERE id = 2")).toEqual([["new"]]);

    // Columns added, renamed, widened and dropped, a name that needs quotes, and a schema of its own.
    await run.sql(0, 'CREATE SCHEMA "My schema"');
    await run.sql(
      0,
      'CREATE TABLE "My schema"."T ""1"" é" (id BIGINT, "a b" INTEGER, gone VARCHAR, s STRUCT(x BIGINT))',
    );
    const table = ["My schema", 'T "1" é'];
    await run.put(1, table, [{ id: 1, "a b": 10, gone: "x", s: { x: 5 } }], ["a b"]);
    const quoted = '"My schema"."T ""1"" é"';
    for (const change of [
      "ADD COLUMN more VARCHAR DEFAULT 'd'",
      'RENAME COLUMN "a b" TO "c ""d"""',
      'ALTER COLUMN "c ""d""" TYPE BIGINT',
      "DROP COLUMN gone",
      "ADD COLUMN s.y INTEGER",
    ]) {
      await run.sql(0, `ALTER TABLE ${quoted} ${change}`);
    }
    await run.put(1, table, [{ id: 2, 'c "d"': 2 ** 40, more: "m" }]);
    await run.sql(0, `ALTER TABLE ${quoted} RENAME TO plain`);
    await run.flush(1);
    expect(await run.read(`SELECT id, "c ""d""", more, s::VARCHAR FROM lake."My schema".plain ORDER BY id`)).toEqual([
      [1, 10, "d", "{'x': 5, 'y': NULL}"],
      [2, 2 ** 40, "m", null],
    ]);

    // Dropped elsewhere: the rows wait, and say so, until the table is there again.
    await run.put(1, ["dropped"], [{ id: 1 }]);
    await run.sql(0, "DROP TABLE dropped");
    await expect(run.flush(1)).rejects.toThrow(/dropped does not exist any more; 1 acknowledged rows wait/);
    await run.sql(0, "CREATE TABLE dropped (id BIGINT)");
    await run.flush(1);
    expect(await run.read("FROM dropped")).toEqual([[1]]);

    // The disk of a dead node serves from another machine: what waited there is in the lake once.
    await run.put(1, ["moved"], [{ id: 1 }]);
    await run.flush(1);
    await run.put(1, ["moved"], [{ id: 2 }]);
    await run.kill(1);
    await rename(run.folderOf(1), run.folderOf("elsewhere"));
    await run.start(1, run.folderOf("elsewhere"));
    await run.flush(1);
    expect(await run.read("FROM moved ORDER BY id")).toEqual([[1], [2]]);

    // A copy of a folder takes over from the one that still serves, which then flushes nothing and is not ready.
    await run.put(1, ["moved"], [{ id: 3 }]);
    await run.kill(1);
    await cp(run.folderOf("elsewhere"), run.folderOf("copy"), { recursive: true });
    const original = await run.start(1, run.folderOf("elsewhere"));
    await run.start(2, run.folderOf("copy")).then(
      () => Promise.reject(new Error("the older copy was served")),
      (error: unknown) => expect(String(error)).toMatch(/copy is an older copy/),
    );
    await run.flush(1);
    expect(await run.read("FROM moved ORDER BY id")).toEqual([[1], [2], [3]]);
    expect((await fetch(`${original.httpUrl}/ready`)).status).toBe(200);

    // A disk that is lost takes with it what was not flushed, and nothing else.
    await run.put(1, ["moved"], [{ id: 4 }]);
    await run.kill(1);
    await rm(run.folderOf("elsewhere"), { recursive: true });
    await run.start(1);
    await run.put(1, ["moved"], [{ id: 5 }]);
    await run.flush(1);
    await run.flush(0);
    expect(await run.read("FROM moved ORDER BY id")).toEqual([[1], [2], [3], [5]]);
  },
);
