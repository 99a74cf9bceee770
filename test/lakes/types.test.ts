import { join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { tempDir } from "../support/temp-dir.ts";
import { LakeRun } from "./lake-run.ts";

/** Every type that DuckLake keeps, with a plain value, an extreme one, and NULL. */
const TYPES: ReadonlyArray<readonly [type: string, ...values: string[]]> = [
  ["BOOLEAN", "true", "false"],
  ["TINYINT", "1", "-128"],
  ["SMALLINT", "1", "-32768"],
  ["INTEGER", "1", "-2147483648"],
  ["BIGINT", "1", "-9223372036854775808"],
  ["UTINYINT", "1", "255"],
  ["USMALLINT", "1", "65535"],
  ["UINTEGER", "1", "4294967295"],
  ["UBIGINT", "1", "18446744073709551615"],
  ["FLOAT", "1.5", "'-inf'"],
  ["DOUBLE", "1.5", "'nan'"],
  ["DECIMAL(4,1)", "1.5", "-999.9"],
  ["DECIMAL(38,10)", "1.5", "9999999999999999999999999999.9999999999"],
  ["VARCHAR", "'plain'", "'é \"quoted\" ' || chr(0) || ' 🦆'"],
  ["BLOB", "'\\xAA'", "''"],
  ["UUID", "'00000000-0000-0000-0000-000000000001'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
  ["DATE", "'2020-02-29'", "'0001-01-01 (BC)'"],
  ["TIME", "'12:34:56.789012'", "'00:00:00'"],
  ["TIMESTAMP_S", "'2020-02-29 12:34:56'", "'1900-01-01'"],
  ["TIMESTAMP_MS", "'2020-02-29 12:34:56.789'", "'1900-01-01'"],
  ["TIMESTAMP", "'2020-02-29 12:34:56.789012'", "'0001-01-01'"],
  ["TIMESTAMP_NS", "'2020-02-29 12:34:56.789012345'", "'1900-01-01'"],
  ["TIMESTAMPTZ", "'2020-02-29 12:34:56.789012+02'", "'0001-01-01'"],
  ["INTERVAL", "'1 month 2 days 3 seconds'", "'0 days'"],
  ["JSON", "'{\"a\": [1, null]}'", "'null'"],
  ["INTEGER[]", "[1, NULL, 3]", "[]"],
  ["VARCHAR[][]", "[['a', NULL], NULL]", "[[]]"],
  ['STRUCT(a INTEGER, "b c" VARCHAR)', "{'a': 1, 'b c': 'x'}", "{'a': NULL, 'b c': NULL}"],
  ["MAP(VARCHAR, INTEGER)", "MAP {'a': 1, 'b': NULL}", "MAP {}"],
  ["STRUCT(l STRUCT(m MAP(INTEGER, DATE[]))[])", "{'l': [{'m': MAP {1: ['2020-01-01']}}]}", "{'l': []}"],
];

test("every type through a buffer is what it is straight into the lake, as rows and as changes by key", async () => {
  await using scope = new Scope();
  const folder = scope.use(tempDir("types"));
  const catalog = join(folder.path, "catalog.ducklake");
  const dataPath = join(folder.path, "files/");
  const run = scope.use(
    new LakeRun({
      settings: { catalog: `duckdb:${catalog}`, dataPath },
      attach: { extensions: [], setup: [], catalog, options: [], dataPath },
    }),
  );
  await run.live(async (eider) => {
    const columns = TYPES.map(([type], i) => `c${i} ${type}`).join(", ");
    await run.sql(eider, `CREATE TABLE direct (id BIGINT, ${columns})`);
    await run.sql(eider, `CREATE TABLE queued (id BIGINT, ${columns})`);
    await run.sql(eider, `CREATE TABLE keyed (id BIGINT PRIMARY KEY, ${columns})`);
    const rows = [0, 1, 2].map((at) => {
      const values = TYPES.map(([type, ...all]) => `CAST(${all[at] ?? "NULL"} AS ${type})`);
      return `SELECT ${at}::BIGINT AS id, ${values.join(", ")}`;
    });
    const source = rows.join(" UNION ALL ");
    await run.sql(eider, `INSERT INTO direct ${source}`);
    await run.sql(eider, `INSERT INTO duckling_queue.queued ${source}`);
    // Written twice: the second one of each key wins.
    for (let i = 0; i < 2; i++) await run.sql(eider, `INSERT INTO duckling_queue.keyed ${source}`);
    await run.sql(eider, "CALL duckling_queue_flush()");
    // As text: NaN and -0.0 are equal to themselves there.
    const texts = TYPES.map(([type], i) => (type === "BLOB" ? `hex(c${i})` : `c${i}::VARCHAR`)).join(", ");
    const read = (table: string) => run.sql(eider, `SELECT id, ${texts} FROM ${table} ORDER BY id`);
    const direct = await read("direct");
    expect(direct).toHaveLength(3);
    expect(await read("queued")).toEqual(direct);
    expect(await read("keyed")).toEqual(direct);
  });
});
