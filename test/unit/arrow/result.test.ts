import duckdb from "@duckdb/node-bindings";
import { Schema, Type, tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { type Frame, ResultEncoder } from "../../../src/arrow/read.ts";
import { decodeSchema, encodeSchema } from "../../../src/arrow/schema.ts";
import { arrowFieldOf, duckTypeOf } from "../../../src/arrow/types.ts";
import { Engine } from "./engine.ts";
import { joinStream } from "./streams.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open();
  await engine.run("CREATE TYPE mood AS ENUM ('glad', 'sad', 'a mood that is longer than twelve bytes')");
});
afterAll(() => engine[Symbol.asyncDispose]());

const LONG = "'a text that is longer than twelve bytes ' || i";

/** An expression over `i`, 0 to 9, and the Arrow type that it must come as; every third row is NULL besides. */
const TYPES: ReadonlyArray<readonly [expression: string, arrowType: string]> = [
  ["i % 2 = 0", "Bool"],
  ["(i - 128)::TINYINT", "Int8"],
  ["(i - 32768)::SMALLINT", "Int16"],
  ["(i - 2147483648)::INTEGER", "Int32"],
  ["-9223372036854775808 + i", "Int64"],
  ["(250 + i % 5)::UTINYINT", "Uint8"],
  ["(65530 + i % 5)::USMALLINT", "Uint16"],
  ["(4294967290 + i % 5)::UINTEGER", "Uint32"],
  ["(18446744073709551610 + i % 5)::UBIGINT", "Uint64"],
  ["(i / 3)::FLOAT", "Float32"],
  ["i / 3", "Float64"],
  ["(i - 5)::DECIMAL(4, 1)", "Decimal[4e+1]"],
  ["(i * 1000 - 5000)::DECIMAL(9, 2)", "Decimal[9e+2]"],
  ["(i * 100000000000 - 5)::DECIMAL(18, 3)", "Decimal[18e+3]"],
  ["(i * 10000000000000000000000::HUGEINT - 5)::DECIMAL(38, 10)", "Decimal[38e+10]"],
  ["(i - 5) * 99999999999999999999::HUGEINT", "Decimal[38e0]"],
  ["(i * 99999999999999999999::HUGEINT)::UHUGEINT", "Decimal[38e0]"],
  ["repeat('x', i)", "Utf8"],
  [LONG, "Utf8"],
  ["'ünï' || chr(0) || i", "Utf8"],
  ["unhex(repeat('fe', i * 2))", "Binary"],
  ["('{\"a\": ' || i || '}')::JSON", "Utf8"],
  ["enum_range(NULL::mood)[1 + i % 3]::mood", "Utf8"],
  ["('00112233-4455-6677-8899-aabbccddee' || lpad(i::VARCHAR, 2, '0'))::UUID", "Utf8"],
  ["repeat('10', i + 1)::BIT", "Utf8"],
  ["repeat('101', 40 + i)::BIT", "Utf8"],
  ["DATE '1969-12-30' + i::INTEGER", "Date32<DAY>"],
  ["TIME '23:59:59.000001' - INTERVAL (i) SECOND", "Time64<MICROSECOND>"],
  ["('12:30:00.00000' || i || '+0' || i)::TIMETZ", "Utf8"],
  ["('12:30:00-01:30:1' || i)::TIMETZ", "Utf8"],
  ["TIMESTAMP '1969-12-31 23:59:59.999995' + INTERVAL (i) MICROSECOND", "Timestamp<MICROSECOND>"],
  ["(TIMESTAMP '1969-12-31 23:59:55' + INTERVAL (i) SECOND)::TIMESTAMP_S", "Timestamp<SECOND>"],
  ["(TIMESTAMP '1969-12-31 23:59:59.995' + INTERVAL (i) MILLISECOND)::TIMESTAMP_MS", "Timestamp<MILLISECOND>"],
  ["make_timestamp_ns(i - 5)", "Timestamp<NANOSECOND>"],
  ["TIMESTAMPTZ '2026-01-01 00:00:00+02' + INTERVAL (i) HOUR", "Timestamp<MICROSECOND, UTC>"],
  ["INTERVAL (i) MONTH - INTERVAL (i) DAY + INTERVAL (i) MICROSECOND", "Interval<MONTH_DAY_NANO>"],
  ["range(i)", "List<Int64>"],
  [`[${LONG}, NULL, '']`, "List<Utf8>"],
  ["[[i], NULL, []::BIGINT[], [NULL, i + 1]]", "List<List<Int64>>"],
  [`{'a': i, 'b': ${LONG}}`, "Struct<{a:Int64, b:Utf8}>"],
  ["{'a': 1, 'b': [{'c': i % 2 = 0}, NULL]}", "Struct<{a:Int32, b:List<Struct<{c:Bool}>>}>"],
  [`MAP {i: ${LONG}, i + 1: NULL}`, "Map<{key:Int64, value:Utf8}>"],
  [`MAP {${LONG}: [i]}`, "Map<{key:Utf8, value:List<Int64>}>"],
];

const COUNT = 10;

async function roundTrip(sql: string, frames: readonly Frame[], schema: Schema): Promise<unknown[]> {
  await engine.createTable("back", schema);
  engine.append("back", schema, frames);
  const name = `"${schema.fields[0]?.name}"`;
  const [got, wanted] = [
    await engine.rows(`SELECT ${name}::VARCHAR AS v FROM back ORDER BY rowid`),
    await engine.rows(`SELECT ${name}::VARCHAR AS v FROM (${sql})`),
  ];
  expect(got).toEqual(wanted);
  return got;
}

describe("each DuckDB type goes out and comes back", () => {
  test.each(TYPES)("%s", async (expression, arrowType) => {
    const sql = `SELECT CASE WHEN i % 3 <> 1 THEN ${expression} END AS v FROM range(${COUNT}) t(i)`;
    const { schema, frames } = await engine.query(sql);
    expect(String(schema.fields[0]?.type)).toBe(arrowType);
    expect(await roundTrip(sql, frames, schema)).toHaveLength(COUNT);
    // apache-arrow's own reader must take the stream too.
    const table = tableFromIPC(joinStream(encodeSchema(schema), frames));
    expect(table.numRows).toBe(COUNT);
    expect(table.getChildAt(0)?.nullCount).toBe(3);
    expect(String(decodeSchema(encodeSchema(schema)))).toBe(String(schema));
  });
});

test.each([0, 1, 2047, 2048, 2049, 100_000])("%d rows go out and come back", async (count) => {
  const sql = `SELECT {'i': i, 's': CASE WHEN i % 7 > 0 THEN ${LONG} END, 'b': i % 3 = 0,
      'l': CASE WHEN i % 5 > 0 THEN range(i % 4) END} AS v FROM range(${count}) t(i)`;
  const { schema, frames } = await engine.query(sql);
  expect(frames.length > 0).toBe(count > 0);
  await engine.createTable("back", schema);
  expect(engine.append("back", schema, frames)).toBe(count);
  await engine.run(`CREATE OR REPLACE TABLE wanted AS ${sql}`);
  const [difference] = await engine.rows(
    "SELECT count(*) AS n FROM (SELECT rowid, v FROM back EXCEPT SELECT rowid, v FROM wanted)",
  );
  expect(difference).toEqual({ n: 0n });
});

test("batches stay within the limit, and a row beyond it comes alone", async () => {
  const limit = 100_000;
  const sql = `SELECT i, repeat('w', CASE WHEN i = 700 THEN 300000 ELSE i % 1000 END) AS w, [i, i] AS l FROM range(5000) t(i)`;
  const { schema, frames } = await engine.query(sql, { maxBatchBytes: limit });
  const decoder = new BatchDecoder(schema);
  const counts = frames.map((frame) => decoder.decode(frame)?.rowCount ?? 0);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(5000);
  const large = frames.filter((frame) => frame.body.byteLength > limit + 64);
  expect(large).toHaveLength(1);
  expect(counts[frames.indexOf(large[0] as Frame)]).toBe(1);
  // Splitting leaves no crumbs: an average batch is more than half full.
  expect(frames.length).toBeLessThan(80);
});

test("rows without bytes are bounded by their number", async () => {
  const { frames } = await engine.query("SELECT NULL AS n, true AS t FROM range(10000)", { maxBatchRows: 3000 });
  expect(frames).toHaveLength(4);
});

test("texts anywhere in DuckDB's memory: sorted, repeated, from a table", async () => {
  await engine.run(
    `CREATE OR REPLACE TABLE words AS SELECT i, ${LONG} AS w, 'the same text for all of the rows' AS c FROM range(20000) t(i)`,
  );
  const sql = `SELECT w || c AS v FROM (SELECT w, c FROM words ORDER BY hash(i))`;
  const { schema, frames } = await engine.query(sql);
  await roundTrip(sql, frames, schema);
  const plain = "SELECT c AS v FROM words";
  const result = await engine.query(plain);
  await roundTrip(plain, result.frames, result.schema);
});

test("materialised chunks, whose texts are not in order in the heap, read as well", async () => {
  await engine.run(`CREATE OR REPLACE TABLE words AS SELECT i, ${LONG} AS w FROM range(5000) t(i)`);
  const sql = "SELECT w AS v FROM words WHERE i % 2 = 0 ORDER BY i DESC";
  const result = await duckdb.query(engine.connection, sql);
  const encoder = new ResultEncoder([{ name: "v", type: duckdb.column_logical_type(result, 0) }]);
  const frames: Frame[] = [];
  for (let i = 0; i < duckdb.result_chunk_count(result); i++)
    frames.push(...encoder.push(duckdb.result_get_chunk(result, i)));
  await roundTrip(sql, [...frames, ...encoder.finish()], encoder.schema);
});

test.each([
  ["BIGINT[3]", "[i, NULL, 3]", "FixedSizeList[3]<Int64>"],
  ["VARCHAR[2]", `[${LONG}, NULL]`, "FixedSizeList[2]<Utf8>"],
  ["STRUCT(a VARCHAR[2])", `{'a': [${LONG}, NULL]}`, "Struct<{a:FixedSizeList[2]<Utf8>}>"],
])("arrays of fixed size, NULL ones too: %s", async (type, expression, arrowType) => {
  await engine.run(`CREATE OR REPLACE TABLE arrays (i BIGINT, v ${type})`);
  await engine.run(`INSERT INTO arrays SELECT i, ${expression} FROM range(${COUNT}) t(i) WHERE i % 3 <> 1`);
  await engine.run(`INSERT INTO arrays SELECT i, NULL FROM range(${COUNT}) t(i) WHERE i % 3 = 1`);
  const sql = "SELECT v FROM arrays ORDER BY i";
  const { schema, frames } = await engine.query(sql);
  expect(String(schema.fields[0]?.type)).toBe(arrowType);
  await roundTrip(sql, frames, schema);
});

test("a union is a sparse union", async () => {
  await engine.run("CREATE OR REPLACE TABLE unions (i BIGINT, u UNION(num BIGINT, str VARCHAR))");
  await engine.run(
    "INSERT INTO unions VALUES (0, 7), (1, 'a text that is longer than twelve bytes'), (2, NULL), (3, 'x')",
  );
  const { schema, frames } = await engine.query("SELECT u FROM unions ORDER BY i");
  expect(schema.fields[0]?.typeId).toBe(Type.Union);
  const column = tableFromIPC(joinStream(encodeSchema(schema), frames)).getChildAt(0);
  expect([0, 1, 2, 3].map((i) => column?.get(i))).toEqual([7n, "a text that is longer than twelve bytes", null, "x"]);
});

test("TIME_NS and the NULL type", async () => {
  const { schema, frames } = await engine.query("SELECT '12:00:00.123456'::TIME_NS AS t");
  expect(String(schema.fields[0]?.type)).toBe("Time64<NANOSECOND>");
  const decoder = new BatchDecoder(schema);
  expect(frames.map((frame) => decoder.decode(frame)?.rowCount)).toEqual([1]);
  const sqlnull = arrowFieldOf("n", duckdb.create_logical_type(duckdb.Type.SQLNULL), true);
  expect(sqlnull.typeId).toBe(Type.Null);
});

test("no columns and no rows", async () => {
  const encoder = new ResultEncoder([]);
  expect(encoder.push(duckdb.create_data_chunk([]))).toEqual([]);
  expect(encoder.finish()).toEqual([]);
  expect(encodeSchema(encoder.schema).byteLength).toBeGreaterThan(0);
});

test("values beyond Arrow's types are errors that say what to do", async () => {
  for (const value of [
    "170141183460469231731687303715884105727::HUGEINT",
    "340282366920938463463374607431768211455::UHUGEINT",
  ]) {
    await expect(engine.query(`SELECT ${value} AS h`)).rejects.toThrow(
      /column "h".*CAST the column to VARCHAR or DOUBLE/,
    );
  }
  await expect(engine.query("SELECT INTERVAL 4000000 HOUR AS v")).rejects.toThrow(/column "v".*CAST/);
});

test.each([
  ["BIGNUM '12'", /BIGNUM.*CAST it to VARCHAR/],
  ["1::VARIANT", /VARIANT.*CAST it/],
  ["[1::VARIANT]", /column "v\.item".*VARIANT/],
])("%s is refused by name", async (expression, message) => {
  await expect(engine.query(`SELECT ${expression} AS v`)).rejects.toThrow(message);
});

test("unsigned integers widen when the schema says so", async () => {
  const sql = `SELECT (i * 50)::UTINYINT AS a, (65531 + i)::USMALLINT AS b, (4294967291 + i)::UINTEGER AS c,
    (18446744073709551611 + i)::UBIGINT AS d, [i::UTINYINT] AS e FROM range(5) t(i)`;
  const plain = await engine.query(sql);
  const statement = await duckdb.prepare(engine.connection, sql);
  const fields = plain.schema.fields.map((field, i) =>
    arrowFieldOf(field.name, duckdb.prepared_statement_column_logical_type(statement, i), true, {
      widenUnsigned: true,
    }),
  );
  expect(fields.map(duckTypeOf)).toEqual(["SMALLINT", "INTEGER", "BIGINT", "DECIMAL(20,0)", "SMALLINT[]"]);
  const { schema, frames } = await engine.query(sql, { schema: new Schema(fields) });
  await engine.createTable("back", schema);
  engine.append("back", schema, frames);
  const [difference] = await engine.rows(`SELECT count(*) AS n FROM (SELECT * FROM back EXCEPT (${sql}))`);
  expect(difference).toEqual({ n: 0n });
  await expect(engine.query("SELECT 'x' AS a", { schema: new Schema(fields.slice(0, 1)) })).rejects.toThrow(
    /prepare the statement again/,
  );
});

test("a NULL's slot is zero, whatever DuckDB's memory held", async () => {
  const { schema, frames } = await engine.query("SELECT CASE WHEN i < 0 THEN i END AS v FROM range(3000) t(i)");
  const decoder = new BatchDecoder(schema);
  const bytes = frames.flatMap((frame) => [...(decoder.decode(frame)?.columns[0]?.data ?? [])]);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
});
