import duckdb from "@duckdb/node-bindings";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BatchDecoder, type RecordBatchView } from "../../../src/arrow/decode.ts";
import { ChunkWriter, type ColumnSource } from "../../../src/arrow/write.ts";
import { Engine } from "./engine.ts";
import { fixture, schemaOf } from "./streams.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open();
});
afterAll(() => engine[Symbol.asyncDispose]());

function openAppender(table: string): { appender: duckdb.Appender; writer: ChunkWriter } {
  const appender = duckdb.appender_create(engine.connection, null, table);
  const count = duckdb.appender_column_count(appender);
  const types = Array.from({ length: count }, (_, i) => duckdb.appender_column_type(appender, i));
  return { appender, writer: new ChunkWriter(types) };
}

async function batchOf(sql: string): Promise<RecordBatchView[]> {
  const { schema, frames } = await engine.query(sql);
  const decoder = new BatchDecoder(schema);
  return frames.map((frame) => decoder.decode(frame)).filter((batch) => batch !== undefined);
}

test("columns come from the batch in any order, as NULL and as constants", async () => {
  await engine.run(
    "CREATE OR REPLACE TABLE target (c VARCHAR, k UTINYINT, n STRUCT(a VARCHAR, b BIGINT[]), i BIGINT, l VARCHAR[])",
  );
  const batches = await batchOf("SELECT i, 'text number ' || i || ' of them all' AS c FROM range(5000) t(i)");
  const { appender, writer } = openAppender("target");
  const sources = (k: number): ColumnSource[] => [
    { kind: "column", index: 1 },
    { kind: "constant", value: duckdb.create_uint8(k) },
    { kind: "null" },
    { kind: "column", index: 0 },
    { kind: "null" },
  ];
  for (const batch of batches) writer.append(appender, batch, sources(1));
  for (const batch of batches) writer.append(appender, batch, sources(2));
  duckdb.appender_close_sync(appender);
  const rows = await engine.rows(
    `SELECT k, count(*) AS n, count(DISTINCT i) AS d, bool_and(c = 'text number ' || i || ' of them all') AS ok,
       count(n) + count(n.a) + count(n.b) + count(l) AS nulls FROM target GROUP BY k ORDER BY k`,
  );
  const row = { n: 5000n, d: 5000n, ok: true, nulls: 0n };
  expect(rows).toEqual([
    { k: 1, ...row },
    { k: 2, ...row },
  ]);
});

test("a column is once a constant, once NULL, once from the batch: nothing is left of the chunk before", async () => {
  await engine.run("CREATE OR REPLACE TABLE target (i BIGINT, s VARCHAR, l BIGINT[], t STRUCT(a VARCHAR))");
  const full = await batchOf(
    "SELECT i, 'a longer text for row ' || i AS s, [i, NULL] AS l, {'a': 'member of row number ' || i} AS t FROM range(3000) t(i)",
  );
  const holes = await batchOf(
    "SELECT NULL::BIGINT AS i, NULL::VARCHAR AS s, NULL::BIGINT[] AS l, NULL::STRUCT(a VARCHAR) AS t FROM range(2500)",
  );
  const { appender, writer } = openAppender("target");
  const columns: ColumnSource[] = [0, 1, 2, 3].map((index) => ({ kind: "column", index }));
  const constants: ColumnSource[] = [
    { kind: "constant", value: duckdb.create_int64(-1n) },
    { kind: "constant", value: duckdb.create_varchar("a constant text that is long") },
    { kind: "null" },
    { kind: "null" },
  ];
  for (const [batches, sources] of [
    [full, columns],
    [holes, columns],
    [full, columns],
    [full, constants],
    [full, columns],
  ] as const) {
    for (const batch of batches) writer.append(appender, batch, sources);
  }
  duckdb.appender_close_sync(appender);
  const rows = await engine.rows(
    `SELECT count(*) AS n, count(*) FILTER (i >= 0 AND s = 'a longer text for row ' || i AND l[1] = i AND len(l) = 2
         AND l[2] IS NULL AND t.a = 'member of row number ' || i) AS whole,
       count(*) FILTER (i IS NULL AND s IS NULL AND l IS NULL AND t IS NULL AND t.a IS NULL) AS nothing,
       count(*) FILTER (i = -1 AND s = 'a constant text that is long' AND l IS NULL AND t IS NULL) AS constant FROM target`,
  );
  expect(rows).toEqual([{ n: 14_500n, whole: 9000n, nothing: 2500n, constant: 3000n }]);
});

test("NULL sources for every type of column", async () => {
  for (const name of ["primitives", "texts", "temporals", "decimals", "nested", "extensions"]) {
    const schema = schemaOf(name);
    await engine.createTable("target", schema);
    const { appender, writer } = openAppender("target");
    const batches = await batchOf("SELECT i FROM range(3000) t(i)");
    for (const batch of batches)
      writer.append(
        appender,
        batch,
        schema.fields.map(() => ({ kind: "null" as const })),
      );
    duckdb.appender_close_sync(appender);
    const rows = await engine.texts("target", schema);
    expect(rows).toHaveLength(3000);
    expect(rows.flat().every((cell) => cell === null)).toBe(true);
  }
});

test("a list's child may be larger than a chunk", async () => {
  const sql = "SELECT range(i * 1000) AS v, [repeat('text ', i % 9), NULL, 'ab'] AS w FROM range(100) t(i)";
  const { schema, frames } = await engine.query(sql, { maxBatchBytes: 100 * 2 ** 20 });
  expect(frames).toHaveLength(1);
  await engine.createTable("target", schema);
  engine.append("target", schema, frames);
  const [difference] = await engine.rows(`SELECT count(*) AS n FROM (SELECT * FROM target EXCEPT (${sql}))`);
  expect(difference).toEqual({ n: 0n });
});

test("the null type fills a column of any type", async () => {
  const schema = schemaOf("nested");
  const [frame] = fixture("extensions").frames;
  const batch = frame && new BatchDecoder(schemaOf("extensions")).decode(frame);
  await engine.createTable("target", schema);
  const { appender, writer } = openAppender("target");
  if (batch)
    writer.append(
      appender,
      batch,
      schema.fields.map(() => ({ kind: "column" as const, index: 2 })),
    );
  duckdb.appender_close_sync(appender);
  const rows = await engine.texts("target", schema);
  expect(rows).toHaveLength(4);
  expect(rows.flat().every((cell) => cell === null)).toBe(true);
});

test("an empty batch and one without columns append nothing and rows of constants", async () => {
  await engine.run("CREATE OR REPLACE TABLE target (k BIGINT)");
  const { appender, writer } = openAppender("target");
  const value = duckdb.create_int64(5n);
  writer.append(appender, { rowCount: 0, bodyBytes: 0, columns: [] }, [{ kind: "constant", value }]);
  writer.append(appender, { rowCount: 2049, bodyBytes: 0, columns: [] }, [{ kind: "constant", value }]);
  duckdb.appender_close_sync(appender);
  expect(await engine.rows("SELECT k, count(*) AS n FROM target GROUP BY k")).toEqual([{ k: 5n, n: 2049n }]);
});
