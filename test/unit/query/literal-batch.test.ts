import { expect, test } from "vitest";
import { decodeSchema } from "../../../src/arrow/schema.ts";
import { literalBatch } from "../../../src/query/literal-batch.ts";
import { tokenize } from "../../../src/query/tokens.ts";
import { valuesList } from "../../../src/query/values-list.ts";
import { Engine } from "../arrow/engine.ts";

const LITERALS = [
  "NULL TRUE false 0 1 -1 + 7 127 128 -128 -129 255 256 32767 65535 65536 2147483647 2147483648 -2147483648 4294967296",
  "9007199254740993 9223372036854775807 -9223372036854775808 9223372036854775808 18446744073709551615",
  "18446744073709551616 123456789012345 1234567890123456 0.1 -0.0 1.5 3.14159265358979 -2.675 99.99 100.01 0.333333333333333333",
  "12345678901234567.25 1e3 0x1F 1_000 '' 'eider' 'it''s' '1' 'Größe 😀' '2024-02-29' '2023-02-29' '1969-12-31' '0001-01-01'",
  "'2024-2-9' '2026-11-27T01:02:03' '2026-11-27_01:02:03.123456' '1900-01-01_23:59:59.9' '2026-11-27_24:00:00' '2026-11-27_01:02'",
  "'2026-11-27_01:02:03.1234567' '2026-11-27_01:02:03Z' 'infinity' 'epoch' E'a\\n' $$x$$",
]
  .join(" ")
  .split(" ")
  .map((text) => text.replaceAll("_0", " 0").replaceAll("_2", " 2"));

const TYPES = [
  ..."BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE VARCHAR DATE TIMESTAMP".split(
    " ",
  ),
  ..."DECIMAL(4,2) DECIMAL(18,3) DECIMAL(38,10) TIMESTAMPTZ HUGEINT JSON UUID BLOB TIME INTEGER[]".split(" "),
];

function rowsOf(values: string): ReturnType<typeof valuesList> {
  return valuesList(values, tokenize(values));
}

test.each(TYPES)("a literal becomes what DuckDB's cast to %s makes of it, or is left to DuckDB", async (type) => {
  await using engine = await Engine.open();
  await engine.run(`CREATE TABLE made (v ${type})`);
  let made = 0;
  for (const literal of LITERALS) {
    const list = rowsOf(`VALUES (${literal})`);
    if (list?.kind !== "literals") continue;
    const batch = literalBatch([{ name: "v", type, nullable: true }], list.rows);
    if (!batch) continue;
    const [expected] = await engine.rows(`SELECT CAST(v AS ${type})::VARCHAR AS v FROM (VALUES (${literal})) AS t(v)`);
    await engine.run("TRUNCATE made");
    const schema = decodeSchema(batch.schema);
    engine.append("made", schema, batch.frames);
    expect([literal, await engine.texts("made", schema)]).toEqual([literal, [[expected?.["v"]]]]);
    made++;
  }
  const isKnown = !/^(TIMESTAMPTZ|HUGEINT|JSON|UUID|BLOB|TIME|INTEGER\[\])$/.test(type);
  expect(made > 1).toBe(isKnown);
});

test("several rows of several columns, in the columns' order", async () => {
  await using engine = await Engine.open();
  await engine.run("CREATE TABLE made (id BIGINT, name VARCHAR, price DECIMAL(6,2), seen TIMESTAMP, ok BOOLEAN)");
  const values =
    "VALUES (1, 'a', 1.5, '2026-01-01 00:00:00', TRUE), (-2, NULL, NULL, NULL, FALSE), (3, 'ö', -7, NULL, NULL)";
  const list = rowsOf(values);
  if (list?.kind !== "literals") throw new Error("no literals");
  const types = { id: "BIGINT", name: "VARCHAR", price: "DECIMAL(6,2)", seen: "TIMESTAMP", ok: "BOOLEAN" };
  const columns = Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }));
  const batch = literalBatch(columns, list.rows);
  if (!batch) throw new Error("no batch");
  const schema = decodeSchema(batch.schema);
  engine.append("made", schema, batch.frames);
  await engine.run(`CREATE TABLE cast_by_duckdb AS FROM made LIMIT 0; INSERT INTO cast_by_duckdb ${values}`);
  expect(await engine.texts("made", schema)).toEqual(await engine.texts("cast_by_duckdb", schema));
  expect(literalBatch(columns.slice(1), list.rows)).toBeUndefined();
});

test.each([
  ["VALUES (?, ?)", { kind: "parameters", count: 2 }],
  ["values ($1, $2, $3)", { kind: "parameters", count: 3 }],
  ["VALUES (?2, ?1)", undefined],
  ["VALUES (?, 1)", undefined],
  ["VALUES (?), (?)", undefined],
  ["VALUES ($name)", undefined],
  ["VALUES (1), (2, 3)", undefined],
  ["VALUES (1),", undefined],
  ["VALUES (1,)", undefined],
  ["VALUES ()", undefined],
  ["VALUES (1) ORDER BY 1", undefined],
  ["VALUES (1 + 1)", undefined],
  ["VALUES (- - 1)", undefined],
  ["VALUES (-'1')", undefined],
  ["VALUES ('a' 'b')", undefined],
  ["VALUES (DEFAULT)", undefined],
  ["VALUES (now())", undefined],
  ["VALUES (DATE '2026-01-01')", undefined],
  ["VALUES ((1))", undefined],
  ["VALUES", undefined],
  ["SELECT 1", undefined],
  ["", undefined],
])("%s", (sql, list) => {
  expect(rowsOf(sql)).toEqual(list);
});
