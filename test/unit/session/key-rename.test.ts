import { afterEach, beforeEach, expect, test } from "vitest";
import type { Target } from "../../../src/base/target.ts";
import { SessionFixture } from "./session-fixture.ts";

let fixture: SessionFixture;

beforeEach(async () => {
  fixture = await SessionFixture.open();
});

afterEach(async () => {
  await fixture[Symbol.asyncDispose]();
});

const main = (table: string): Target => ({ schema: "main", table });
const keyOf = async (table: string) => (await fixture.system.lake.describe(main(table)))?.primaryKey;

test("a primary key follows the rename of its column: rows that wait, and those that come, are upserts", async () => {
  await fixture.run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await fixture.run("INSERT INTO duckling_queue.t VALUES (1, 'a'), (2, 'b')");
  await fixture.rowsOf("t");
  await fixture.run("INSERT INTO duckling_queue.t VALUES (1, 'waiting')");
  await fixture.run("ALTER TABLE t RENAME COLUMN id TO number");
  expect(await keyOf("t")).toEqual(["number"]);
  await fixture.run("INSERT INTO duckling_queue.t VALUES (2, 'after')");
  expect(await fixture.rowsOf("t")).toEqual([
    { number: 1, v: "waiting" },
    { number: 2, v: "after" },
  ]);
  await fixture.run("COMMENT ON TABLE t IS 'hides it'");
  expect(await keyOf("t")).toEqual(["number"]);
});

test("rows that come between a rename and its COMMIT find the key", async () => {
  await fixture.run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await fixture.run("INSERT INTO duckling_queue.t VALUES (1, 'a')");
  await fixture.rowsOf("t");
  await fixture.run("BEGIN");
  await fixture.run("ALTER TABLE t RENAME id TO number");
  await fixture.runBeside("INSERT INTO duckling_queue.t VALUES (1, 'b')");
  await fixture.run("COMMIT");
  expect(await keyOf("t")).toEqual(["number"]);
  expect(await fixture.rowsOf("t")).toEqual([{ number: 1, v: "b" }]);
});

test("a key of several columns keeps its order, in a table of its own transaction too", async () => {
  await fixture.run('CREATE TABLE "od d" (a INT, "b c" INT, v INT, PRIMARY KEY ("b c", a))');
  await fixture.run('ALTER TABLE main."od d" RENAME "b c" TO "d ""e"');
  expect(await keyOf("od d")).toEqual(['d "e', "a"]);
  await fixture.run("BEGIN");
  await fixture.run("CREATE TABLE made (a INT PRIMARY KEY, b INT)");
  await fixture.run("ALTER TABLE IF EXISTS lake.main.made RENAME a TO c");
  await fixture.run("ALTER TABLE made RENAME c TO d");
  await fixture.run("COMMIT");
  expect(await keyOf("made")).toEqual(["d"]);
});

test("a key that a comment of the user's hides follows, and the comment stays", async () => {
  await fixture.run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await fixture.run("COMMENT ON TABLE t IS 'orders'");
  await fixture.run("ALTER TABLE t RENAME id TO number");
  expect(await keyOf("t")).toEqual(["number"]);
  await fixture.run("COMMENT ON TABLE t IS 'orders again'");
  expect(await keyOf("t")).toEqual(["number"]);
});

test("nothing is changed by a rollback, by other columns' renames, of the table, or of another one of its name", async () => {
  await fixture.run("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await fixture.run("CREATE SCHEMA other");
  await fixture.run("CREATE TABLE other.t (id BIGINT PRIMARY KEY, v VARCHAR)");
  await fixture.run("BEGIN");
  await fixture.run("ALTER TABLE t RENAME id TO number");
  await fixture.run("ROLLBACK");
  expect(await keyOf("t")).toEqual(["id"]);
  await fixture.run("ALTER TABLE t RENAME v TO words");
  await fixture.run("ALTER TABLE other.t RENAME id TO number");
  expect(await keyOf("t")).toEqual(["id"]);
  expect((await fixture.system.lake.describe({ schema: "other", table: "t" }))?.primaryKey).toEqual(["number"]);
  await fixture.run("ALTER TABLE t RENAME TO u");
  expect(await keyOf("u")).toEqual(["id"]);
});
