import duckdb from "@duckdb/node-bindings";
import { expect, test } from "vitest";
import { Database } from "../../../src/duck/database.ts";
import { ChunkStream } from "../../../src/query/chunk-stream.ts";
import { csv, jsonDocument, ndjson, RowRenderer, type RowText, uniqueNames } from "../../../src/query/row-text.ts";
import { Slot } from "../../../src/query/slot.ts";
import { Statement } from "../../../src/query/statement.ts";

async function render(format: (names: readonly string[]) => RowText, sql: string): Promise<string> {
  await using database = await Database.open();
  using connection = await database.connect();
  const statement = await Statement.prepare(connection, sql);
  const chunks = new ChunkStream(new Slot(connection), await statement.stream());
  const names = chunks.columns.map(({ name }) => name);
  const text = format(names);
  const renderer = new RowRenderer(text, names);
  let all = text.head;
  let rows = 0;
  for (let chunk = await chunks.next(); chunk; chunk = await chunks.next()) {
    const count = duckdb.data_chunk_get_size(chunk);
    all += renderer.render(chunk, 0, count);
    rows += count;
  }
  statement.close();
  return all + text.tail({ rows, executionMs: 7 });
}

/** The JSON text of one value: parsing it would lose what this is about. */
async function cell(expression: string): Promise<string> {
  const text = await render(jsonDocument, `SELECT ${expression} AS x`);
  return /^\{"columns":\["x"\],"rows":\[\[(.*)\]\],"row_count":1,"execution_time_ms":7\}$/s.exec(text)?.[1] ?? text;
}

test.each([
  ["NULL", "null"],
  ["true", "true"],
  ["-7::TINYINT", "-7"],
  ["9007199254740991", "9007199254740991"],
  ["9007199254740992", '"9007199254740992"'],
  ["-9223372036854775808", '"-9223372036854775808"'],
  ["18446744073709551615::UBIGINT", '"18446744073709551615"'],
  ["42::HUGEINT", "42"],
  ["170141183460469231731687303715884105727::HUGEINT", '"170141183460469231731687303715884105727"'],
  ["340282366920938463463374607431768211455::UHUGEINT", '"340282366920938463463374607431768211455"'],
  ["1.50::DECIMAL(4,2)", "1.50"],
  ["-0.05::DECIMAL(4,2)", "-0.05"],
  ["1.5::DECIMAL(38,10)", "1.5000000000"],
  ["12345678901234567890.123456789012345678::DECIMAL(38,18)", '"12345678901234567890.123456789012345678"'],
  ["0.1::FLOAT", "0.1"],
  ["16777216::FLOAT", "16777216"],
  ["0.1::DOUBLE", "0.1"],
  ["1e300", "1e+300"],
  ["'NaN'::DOUBLE", '"NaN"'],
  ["'-inf'::DOUBLE", '"-Infinity"'],
  ["'inf'::FLOAT", '"Infinity"'],
  [`'a"b\\ü' || chr(10)`, '"a\\"b\\\\ü\\n"'],
  ["'\\x00\\xFF'::BLOB", '"AP8="'],
  ["'101'::BIT", '"101"'],
  ["'f3a9c27e-86bd-4bbb-adb3-f557b44628fb'::UUID", '"f3a9c27e-86bd-4bbb-adb3-f557b44628fb"'],
  ["'b'::ENUM('a', 'b')", '"b"'],
  ["DATE '2024-02-29'", '"2024-02-29"'],
  ["TIME '03:04:05.000006'", '"03:04:05.000006"'],
  ["TIMESTAMP '2024-01-02 03:04:05.123456'", '"2024-01-02T03:04:05.123456"'],
  ["TIMESTAMP_NS '2024-01-02 03:04:05.123456789'", '"2024-01-02T03:04:05.123456789"'],
  ["TIMESTAMPTZ '2024-01-02 03:04:05+02'", '"2024-01-02T01:04:05Z"'],
  ["'infinity'::TIMESTAMP", '"infinity"'],
  ["'-infinity'::TIMESTAMPTZ", '"-infinity"'],
  ["'infinity'::DATE", '"infinity"'],
  ["['-infinity'::DATE, DATE '5881580-07-10']", '["-infinity","5881580-07-10"]'],
  ["'infinity'::TIMESTAMP_S", '"infinity"'],
  ["'-infinity'::TIMESTAMP_MS", '"-infinity"'],
  ["'-infinity'::TIMESTAMP_NS", '"-infinity"'],
  ["INTERVAL '1 year 2 days 03:04:05'", '"1 year 2 days 03:04:05"'],
  ["[1, NULL, 3]", "[1,null,3]"],
  ["[[9007199254740993]]", '[["9007199254740993"]]'],
  ["[1, 2]::INTEGER[2]", "[1,2]"],
  ["{'a': 1, 'b': {'c': 'x'}, 'd': NULL::DATE}", '{"a":1,"b":{"c":"x"},"d":null}'],
  ["MAP {1: 'one', 2: NULL}", '{"1":"one","2":null}'],
  ["union_value(k := 1)", '{"k":1}'],
  [`'{"a":1}'::JSON`, '"{\\"a\\":1}"'],
  ["123456789012345678901234567890::BIGNUM", '"123456789012345678901234567890"'],
])("JSON of %s is %s", async (expression, expected) => {
  expect(await cell(expression)).toBe(expected);
});

test("a struct without names is refused rather than cut down", async () => {
  await expect(render(jsonDocument, "SELECT row(1, 2) AS r")).rejects.toMatchObject({
    code: "type_unsupported",
    message: expect.stringContaining('column "r"'),
  });
});

test("a struct's field that no object of JavaScript keeps is refused", async () => {
  await expect(render(jsonDocument, "SELECT [{'__proto__': 1}] AS r")).rejects.toMatchObject({
    code: "type_unsupported",
    message: expect.stringContaining("__proto__"),
  });
});

test("NDJSON has a line per row, and a key per column", async () => {
  expect(await render(ndjson, "SELECT 1 AS a, NULL AS a, 'x' AS b UNION ALL SELECT 2, NULL, 'y' ORDER BY 1")).toBe(
    '{"a":1,"a_1":null,"b":"x"}\n{"a":2,"a_1":null,"b":"y"}\n',
  );
  expect(await render(ndjson, "SELECT 1 AS a WHERE false")).toBe("");
});

test("CSV tells NULL from an empty text, and quotes what needs it", async () => {
  expect(
    await render(
      csv,
      `SELECT NULL AS "n,ull", '' AS e, 'a,"b"' AS q, 9007199254740993 AS big, [1, 2] AS l, ' s' AS s, 'NaN'::DOUBLE AS nan`,
    ),
  ).toBe('"n,ull",e,q,big,l,s,nan\n,"","a,""b""",9007199254740993,"[1,2]"," s",NaN\n');
});

test("names are made unique without taking one that is there", () => {
  expect(uniqueNames(["a", "a", "a_1", "a", "b"])).toEqual(["a", "a_2", "a_1", "a_3", "b"]);
});
