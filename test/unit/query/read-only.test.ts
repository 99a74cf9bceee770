import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Connection } from "../../../src/duck/database.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { requireRead } from "../../../src/query/read-only.ts";
import { LakeFixture } from "../lake/lake-fixture.ts";

let fixture: LakeFixture;
let lake: Lake;
let connection: Connection;

beforeAll(async () => {
  fixture = await LakeFixture.make();
  lake = await fixture.open();
  connection = await lake.connect();
  await connection.run("CREATE TABLE t AS SELECT range AS id, 'n' || range AS name FROM range(3)");
  await connection.run("CREATE SEQUENCE memory.main.counter");
  await connection.run("CREATE VIEW v AS SELECT * FROM t");
});

afterAll(async () => {
  connection.close();
  await lake[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

/** As a query over HTTP does it: refused, or run in the same transaction. */
async function attempt(sql: string): Promise<void> {
  await connection.run("BEGIN TRANSACTION READ ONLY");
  try {
    await requireRead(connection, sql);
    await connection.rows(sql);
  } finally {
    await connection.rollback();
  }
}

describe("reads", () => {
  test.each([
    "SELECT * FROM t",
    "SELECT 1;",
    "select 1 -- with a comment;",
    "/* ; */ WITH a AS (SELECT 1 AS x) SELECT * FROM a",
    "FROM v",
    "TABLE t",
    "VALUES (1), (2)",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "DESCRIBE t",
    "DESCRIBE SELECT 1",
    "SUMMARIZE t",
    "EXPLAIN SELECT * FROM t",
    "explain analyze SELECT count(*) FROM t",
    "EXPLAIN (FORMAT json) SELECT 1",
    "EXPLAIN (ANALYZE) SELECT 1",
    "EXPLAIN (SELECT 1)",
    "PIVOT t ON id IN (1, 2) USING count(*)",
    "SELECT * FROM t AT (TIMESTAMP => now())",
    "SELECT 'DROP TABLE t; DELETE FROM t' AS text",
    "SELECT * FROM query_table('t')",
  ])("%s", async (sql) => {
    await attempt(sql);
  });
});

describe("is refused", () => {
  test.each([
    "INSERT INTO t VALUES (9, 'x')",
    "UPDATE t SET id = 1",
    "DELETE FROM t",
    "MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE",
    "INSERT INTO missing VALUES (1)",
    "CREATE TABLE u (i INTEGER)",
    "CREATE TEMP TABLE u (i INTEGER)",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN x INTEGER",
    "SET threads = 1",
    "USE memory.main",
    "PRAGMA table_info('t')",
    "PRAGMA threads = 1",
    "CALL ducklake_snapshots('lake')",
    "CALL eider_set_primary_key('t', ['id'])",
    "CALL duckling_queue_flush()",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "ATTACH ':memory:' AS other",
    "CHECKPOINT",
    "VACUUM",
    "EXPORT DATABASE 'x'",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE t",
    "EXPLAIN INSERT INTO t VALUES (9, 'x')",
    "EXPLAIN ANALYZE INSERT INTO t VALUES (9, 'x')",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXPLAIN (ANALYZE) CREATE TABLE u AS SELECT 1",
    "EXPLAIN /* ( */ ANALYZE DELETE FROM t",
    "SELECT nextval('memory.main.counter')",
    "EXPLAIN ANALYZE SELECT nextval('memory.main.counter')",
    "SELECT * FROM ducklake_cleanup_old_files('lake', cleanup_all => true)",
    "SELECT * FROM lake.merge_adjacent_files()",
    "SELECT (SELECT count(*) FROM force_checkpoint('lake'))",
    "WITH a AS MATERIALIZED (FROM CHECKPOINT('lake')) SELECT * FROM t",
    "EXPLAIN ANALYZE SELECT * FROM enable_logging()",
    "SELECT * FROM query('SELECT * FROM checkpoint()')",
  ])("%s", async (sql) => {
    await expect(attempt(sql)).rejects.toMatchObject({ code: "not_a_read" });
  });

  test("COPY, also inside of EXPLAIN ANALYZE, which DuckDB runs in a READ ONLY transaction", async () => {
    const file = join(fixture.folder, "copied.csv");
    for (const explain of ["", "EXPLAIN ANALYZE ", "EXPLAIN (ANALYZE) "]) {
      await expect(attempt(`${explain}COPY t TO '${file}'`)).rejects.toMatchObject({ code: "not_a_read" });
    }
    expect(existsSync(file)).toBe(false);
  });
});

test("what cannot be prepared is named by its first word", async () => {
  await expect(attempt("INSERT INTO missing VALUES (1)")).rejects.toThrow(/and this is INSERT$/);
});

test("what is wrong is told in DuckDB's words", async () => {
  await expect(attempt("SELEC 1")).rejects.toMatchObject({
    code: "sql_invalid",
    message: expect.stringContaining('Parser Error: syntax error at or near "SELEC"'),
  });
  await expect(attempt("EXPLAIN SELECT * FROM missing")).rejects.toMatchObject({ code: "table_not_found" });
  await expect(attempt(" ; ")).rejects.toMatchObject({ code: "sql_invalid", message: "the SQL text has no statement" });
});
