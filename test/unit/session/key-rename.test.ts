import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openPrincipal } from "../../../src/access/principal.ts";
import type { Target } from "../../../src/base/target.ts";
import { Database } from "../../../src/duck/database.ts";
import { ComputeAhead } from "../../../src/query/compute-ahead.ts";
import { OpenTransactions } from "../../../src/query/open-transactions.ts";
import { SpoolSpace } from "../../../src/query/spool-space.ts";
import { ClientSession } from "../../../src/session/session.ts";
import { query } from "../lake/lake-fixture.ts";
import { System } from "../model/system.ts";

let system: System;
let scratch: Database;
let session: ClientSession;

beforeEach(async () => {
  system = await System.open();
  scratch = await Database.open();
  const roomy = { folder: tmpdir(), memoryLimitBytes: 2 ** 28, diskLimitBytes: 2 ** 30 };
  session = new ClientSession(openPrincipal("tester"), {
    ...system.services,
    autoCreateTables: true,
    names: { queueSchema: "duckling_queue", targetSchema: "main" },
    queries: { started: () => () => undefined },
    scratch,
    cancelTask: () => false,
    transactions: new OpenTransactions(60),
    spool: new SpoolSpace(roomy),
    ahead: new ComputeAhead(1e8),
  });
});

afterEach(async () => {
  await session[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

async function run(sql: string): Promise<void> {
  const statement = await session.prepare(sql, {});
  const result = await statement.execute(undefined, {});
  if (result.kind !== "rows") return;
  for await (const _ of result.rows.frames());
  await result.rows[Symbol.asyncDispose]();
}

const main = (table: string): Target => ({ schema: "main", table });
const keyOf = async (table: string) => (await system.lake.describe(main(table)))?.primaryKey;
const rowsOf = async (table: string) => {
  await system.flusher.flush(main(table), "command");
  return query(system.lake, `FROM lake.main.${table} ORDER BY ALL`);
};

test("a primary key follows the rename of its column: rows that wait, and those that come, are upserts", async () => {
  await run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await run("INSERT INTO duckling_queue.t VALUES (1, 'a'), (2, 'b')");
  await rowsOf("t");
  await run("INSERT INTO duckling_queue.t VALUES (1, 'waiting')");
  await run("ALTER TABLE t RENAME COLUMN id TO number");
  expect(await keyOf("t")).toEqual(["number"]);
  await run("INSERT INTO duckling_queue.t VALUES (2, 'after')");
  expect(await rowsOf("t")).toEqual([
    { number: 1, v: "waiting" },
    { number: 2, v: "after" },
  ]);
  await run("COMMENT ON TABLE t IS 'hides it'");
  expect(await keyOf("t")).toEqual(["number"]);
});

test("rows that come between a rename and its COMMIT find the key", async () => {
  await run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await run("INSERT INTO duckling_queue.t VALUES (1, 'a')");
  await rowsOf("t");
  await run("BEGIN");
  await run("ALTER TABLE t RENAME id TO number");
  const other = new ClientSession(openPrincipal("other"), session.services);
  await (await other.prepare("INSERT INTO duckling_queue.t VALUES (1, 'b')", {})).execute(undefined, {});
  await other[Symbol.asyncDispose]();
  await run("COMMIT");
  expect(await keyOf("t")).toEqual(["number"]);
  expect(await rowsOf("t")).toEqual([{ number: 1, v: "b" }]);
});

test("a key of several columns keeps its order, in a table of its own transaction too", async () => {
  await run('CREATE TABLE "od d" (a INT, "b c" INT, v INT, PRIMARY KEY ("b c", a))');
  await run('ALTER TABLE main."od d" RENAME "b c" TO "d ""e"');
  expect(await keyOf("od d")).toEqual(['d "e', "a"]);
  await run("BEGIN");
  await run("CREATE TABLE made (a INT PRIMARY KEY, b INT)");
  await run("ALTER TABLE IF EXISTS lake.main.made RENAME a TO c");
  await run("ALTER TABLE made RENAME c TO d");
  await run("COMMIT");
  expect(await keyOf("made")).toEqual(["d"]);
});

test("a key that a comment of the user's hides follows, and the comment stays", async () => {
  await run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await run("COMMENT ON TABLE t IS 'orders'");
  await run("ALTER TABLE t RENAME id TO number");
  expect(await keyOf("t")).toEqual(["number"]);
  await run("COMMENT ON TABLE t IS 'orders again'");
  expect(await keyOf("t")).toEqual(["number"]);
});

test("nothing is changed by a rollback, by other columns' renames, of the table, or of another one of its name", async () => {
  await run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await run("CREATE SCHEMA other");
  await run("CREATE TABLE other.t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await run("BEGIN");
  await run("ALTER TABLE t RENAME id TO number");
  await run("ROLLBACK");
  expect(await keyOf("t")).toEqual(["id"]);
  await run("ALTER TABLE t RENAME v TO words");
  await run("ALTER TABLE other.t RENAME id TO number");
  expect(await keyOf("t")).toEqual(["id"]);
  expect((await system.lake.describe({ schema: "other", table: "t" }))?.primaryKey).toEqual(["number"]);
  await run("ALTER TABLE t RENAME TO u");
  expect(await keyOf("u")).toEqual(["id"]);
});
