import { afterEach, beforeEach, expect, test } from "vitest";
import { SessionFixture } from "./session-fixture.ts";

let fixture: SessionFixture;

beforeEach(async () => {
  fixture = await SessionFixture.open();
  await fixture.run("CREATE TABLE t (id BIGINT, word VARCHAR DEFAULT 'gi, (ven', n INTEGER DEFAULT 7, d DATE)");
});

afterEach(async () => {
  await fixture[Symbol.asyncDispose]();
});

const row = (id: number | null, word: string | null, n: number | null, d: string | null = null) => ({ id, word, n, d });

test("DEFAULT among the values of a queued INSERT is the column's default, or NULL where it has none", async () => {
  const statements = [
    "INSERT INTO duckling_queue.t VALUES (1, DEFAULT, DEFAULT, DEFAULT), (2, 'w', 1.0, DEFAULT), (3, lower('DEFAULT'), default, NULL)",
    "INSERT INTO duckling_queue.t (n, id) VALUES (DEFAULT, 4)",
    "INSERT INTO duckling_queue.t (\"WORD\", id) VALUES (/* , */ DEFAULT /* ) */, abs(-5)), ('x', 6)",
    "INSERT INTO duckling_queue.t (id) VALUES (DEFAULT)",
  ];
  const counts: unknown[] = [];
  for (const sql of statements) counts.push(await fixture.run(sql));
  expect(counts).toEqual([3, 1, 2, 1].map((count) => ({ kind: "count", count })));
  expect(await fixture.rowsOf("t")).toEqual([
    row(1, "gi, (ven", 7),
    row(2, "w", 1),
    row(3, "default", 7),
    row(4, "gi, (ven", 7),
    row(5, "gi, (ven", 7),
    row(6, "x", 7),
    row(null, "gi, (ven", 7),
  ]);
});

test("a prepared INSERT gives the default that the column has when it runs", async () => {
  await using insert = await fixture.session.prepare("INSERT INTO duckling_queue.t (id, n) VALUES (1, DEFAULT)", {});
  await insert.execute(undefined, {});
  await fixture.run("ALTER TABLE t ALTER n SET DEFAULT 8");
  await insert.execute(undefined, {});
  expect(await fixture.rowsOf("t")).toEqual([row(1, "gi, (ven", 7), row(1, "gi, (ven", 8)]);
});

test("in a transaction DEFAULT is what that has made of the table", async () => {
  await fixture.run("BEGIN");
  await fixture.run("CREATE TABLE made (id BIGINT, v VARCHAR DEFAULT 'new')");
  await fixture.run("INSERT INTO duckling_queue.made VALUES (1, DEFAULT)");
  await fixture.run("COMMIT");
  expect(await fixture.rowsOf("made")).toEqual([{ id: 1, v: "new" }]);
});

test("DEFAULT where there is no column, or no table, is refused by what to do", async () => {
  await expect(fixture.run("INSERT INTO duckling_queue.t (id) VALUES (1, DEFAULT)")).rejects.toThrow(/1 columns/);
  await expect(fixture.run("INSERT INTO duckling_queue.nothing VALUES (DEFAULT)")).rejects.toThrow(
    /nothing does not exist.*CREATE TABLE it first/,
  );
  await fixture.run("CREATE TABLE keyed (id BIGINT PRIMARY KEY, v INTEGER)");
  await expect(fixture.run("INSERT INTO duckling_queue.keyed VALUES (DEFAULT, 1)")).rejects.toThrow(/NULL/);
});
