import { describe, expect, test } from "vitest";
import { EiderError } from "../../../src/errors.ts";
import { recognize } from "../../../src/query/own-statement.ts";
import { splitStatements } from "../../../src/query/tokens.ts";

const names = { queueSchema: "duckling_queue", targetSchema: "main" };

function read(sql: string) {
  const [piece] = splitStatements(sql);
  if (!piece) throw new Error("no statement");
  return recognize(piece, names);
}

describe("flush statements", () => {
  test.each([
    ["PRAGMA duckling_queue.flush", undefined],
    ["pragma Duckling_Queue . flush()", undefined],
    ["CALL duckling_queue_flush()", undefined],
    ["call duckling_queue_flush('events')", { schema: "main", table: "events" }],
    ["call duckling_queue_flush('a.\"b.c\"')", { schema: "a", table: "b.c" }],
    ["call duckling_queue_flush('duckling_queue.t')", { schema: "main", table: "t" }],
    ["call duckling_queue_flush('lake.s.t')", { schema: "s", table: "t" }],
  ])("%s", (sql, target) => {
    expect(read(sql)).toEqual({ kind: "flush", target });
  });

  test("a table name that is none is the user's error", () => {
    expect(() => read("call duckling_queue_flush('a..b')")).toThrow(EiderError);
    expect(() => read("call duckling_queue_flush(1)")).toThrow(EiderError);
  });
});

test("cancel_task reads its number", () => {
  expect(read("CALL eider_cancel_task(12)")).toEqual({ kind: "cancel_task", id: 12 });
  expect(() => read("CALL eider_cancel_task('merge')")).toThrow(/usage/);
});

test("set_primary_key reads its columns", () => {
  expect(read("CALL eider_set_primary_key('s.t', ['a', 'b''c'])")).toEqual({
    kind: "set_primary_key",
    target: { schema: "s", table: "t" },
    columns: ["a", "b'c"],
  });
  expect(() => read("CALL eider_set_primary_key('t')")).toThrow(/usage/);
});

test.each(["SET eider_read_consistency = 'strong'", "set session eider_read_consistency to strong"])("%s", (sql) => {
  expect(read(sql)).toEqual({ kind: "set_consistency", value: "strong" });
});

describe("INSERT INTO the queue schema", () => {
  test("the source is everything after the target", () => {
    expect(read("INSERT INTO duckling_queue.t VALUES (1, 'a;b') -- end")).toMatchObject({
      kind: "queue_insert",
      table: "t",
      columns: undefined,
      byName: false,
      source: "VALUES (1, 'a;b')",
    });
  });

  test("columns, BY NAME, catalog, quotes and comments", () => {
    expect(read('insert into lake."Duckling_Queue"."My T" (a, "B c") /* x */ from range(3)')).toMatchObject({
      table: "My T",
      columns: ["a", "B c"],
      source: "from range(3)",
    });
    expect(read("INSERT INTO duckling_queue.t BY NAME SELECT 1 AS a")).toMatchObject({
      byName: true,
      source: "SELECT 1 AS a",
    });
  });

  test("a subquery in parentheses is a source, not a column list", () => {
    expect(read("INSERT INTO duckling_queue.t (SELECT 1)")).toMatchObject({ columns: undefined, source: "(SELECT 1)" });
  });

  test("a WITH in front of the INSERT belongs to its source", () => {
    const sql = "WITH s(a) AS (SELECT 1), insert_ AS (SELECT (2)) INSERT INTO duckling_queue.t (a) SELECT a FROM s";
    expect(read(sql)).toMatchObject({
      table: "t",
      columns: ["a"],
      source: "WITH s(a) AS (SELECT 1), insert_ AS (SELECT (2)) SELECT a FROM s",
    });
    expect(read("WITH s AS (SELECT 1) SELECT 'insert into duckling_queue.t'")).toBeUndefined();
    expect(read("WITH s AS (SELECT 1) INSERT INTO t FROM s")).toBeUndefined();
  });

  test.each([
    ["INSERT INTO duckling_queue.t VALUES (1) RETURNING a", "RETURNING$"],
    ["INSERT INTO duckling_queue.t VALUES (1) ON CONFLICT DO NOTHING", "ON CONFLICT: .*upserts"],
    ["INSERT INTO duckling_queue.t SELECT 1 ON CONFLICT (a) DO NOTHING", "ON CONFLICT: .*MERGE INTO"],
    ["INSERT OR REPLACE INTO duckling_queue.t VALUES (1)", "OR REPLACE: .*upserts"],
    ["INSERT INTO duckling_queue.t DEFAULT VALUES", "DEFAULT VALUES: INSERT INTO t does"],
    ["INSERT INTO duckling_queue.t AS x VALUES (1)", "alias: INSERT INTO t does"],
  ])("%s is refused in words", (sql, what) => {
    expect(() => read(sql)).toThrow(new RegExp(`duckling_queue\\.t takes VALUES or a query.*${what}`));
  });

  test.each([
    "EXPLAIN INSERT INTO duckling_queue.t SELECT 1",
    "explain analyze with s as (select 1) insert into lake.duckling_queue.t from s",
  ])("%s: there is no plan", (sql) => {
    expect(() => read(sql)).toThrow(/has no plan; EXPLAIN the query/);
    expect(read("EXPLAIN INSERT INTO t SELECT 'duckling_queue.t'")).toBeUndefined();
  });

  test.each(["CREATE SCHEMA duckling_queue", 'create schema if not exists lake."Duckling_Queue"'])(
    "%s: the name is taken",
    (sql) => {
      expect(() => read(sql)).toThrow(/duckling_queue is Eider's queue/);
      expect(read("CREATE SCHEMA duckling_queue2")).toBeUndefined();
    },
  );

  test("other inserts are DuckDB's", () => {
    expect(read("INSERT INTO main.t VALUES (1)")).toBeUndefined();
    expect(read("INSERT INTO t SELECT 'duckling_queue.t'")).toBeUndefined();
  });
});

describe("CREATE TABLE", () => {
  test("tells keys, replacement and where the name ends", () => {
    const sql = 'create or replace table lake.s."T t" (id bigint primary key)';
    const statement = read(sql);
    expect(statement).toMatchObject({
      kind: "create_table",
      name: ["lake", "s", "T t"],
      orReplace: true,
      hasPrimaryKey: true,
    });
    if (statement?.kind === "create_table") expect(sql.slice(statement.nameEnd)).toBe("(id bigint primary key)");
  });

  test("temporary tables are DuckDB's", () => {
    expect(read("create temp table t (a int)")).toBeUndefined();
    expect(read("create table temp.t (a int)")).toBeUndefined();
  });
});
