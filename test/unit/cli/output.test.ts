import {
  DateDay,
  Decimal,
  Field,
  Float32,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  tableFromArrays,
  vectorFromArray,
} from "apache-arrow";
import { expect, test } from "vitest";
import { cellText, jsonText } from "../../../src/cli/output/cell-text.ts";
import { rateText } from "../../../src/cli/output/progress.ts";
import { TableText } from "../../../src/cli/output/table-text.ts";
import { quotedName, tableParts } from "../../../src/client/table-name.ts";

const json = (data: Parameters<typeof jsonText>[0]) =>
  Array.from({ length: data?.length ?? 0 }, (_, row) => jsonText(data, row));

test("numbers keep every digit", () => {
  const big = makeData({
    type: vectorFromArray([1n]).type,
    data: BigInt64Array.of(2n ** 53n + 1n, -(2n ** 53n - 1n), 7n),
  });
  expect(json(big)).toEqual(['"9007199254740993"', "-9007199254740991", "7"]);
  expect(json(makeData({ type: new Float32(), data: Float32Array.of(0.1, -0, Number.NaN) }))).toEqual([
    "0.1",
    "-0.0",
    '"NaN"',
  ]);
  // 128-bit integers, little endian: 105, -105, 10^20
  const digits = Uint32Array.of(
    105,
    0,
    0,
    0,
    2 ** 32 - 105,
    2 ** 32 - 1,
    2 ** 32 - 1,
    2 ** 32 - 1,
    1661992960,
    1808227885,
    5,
    0,
  );
  const decimals = makeData({ type: new Decimal(2, 30), length: 3, nullCount: 0, data: digits });
  expect(json(decimals)).toEqual(["1.05", "-1.05", '"1000000000000000000.00"']);
});

test("dates, timestamps before 1970, NULLs", () => {
  expect(json(makeData({ type: new DateDay(), data: Int32Array.of(-1, 0, 2 ** 31 - 1) }))).toEqual([
    '"1969-12-31"',
    '"1970-01-01"',
    '"infinity"',
  ]);
  const type = new TimestampMicrosecond("UTC");
  expect(json(makeData({ type, data: BigInt64Array.of(-1n, 1_500_000n) }))).toEqual([
    '"1969-12-31T23:59:59.999999Z"',
    '"1970-01-01T00:00:01.5Z"',
  ]);
  const nulls = makeData({
    type: new Int32(),
    length: 2,
    nullCount: 1,
    data: Int32Array.of(1, 2),
    nullBitmap: Uint8Array.of(1),
  });
  expect([cellText(nulls, 0), cellText(nulls, 1), jsonText(nulls, 1)]).toEqual(["1", undefined, "null"]);
});

test("nested values are JSON", () => {
  const ids = makeData({ type: new Int32(), data: Int32Array.of(1, 2, 3) });
  const type = new List(new Field("item", new Int32(), true));
  const lists = makeData({ type, length: 2, nullCount: 0, valueOffsets: Int32Array.of(0, 2, 3), child: ids });
  expect(json(lists)).toEqual(["[1,2]", "[3]"]);
  const struct = makeData({
    type: new Struct([new Field("a b", new Int32(), true)]),
    length: 3,
    nullCount: 0,
    children: [ids],
  });
  expect(json(struct)[2]).toBe('{"a b":3}');
});

test("a table is aligned by what a terminal shows, obeys nothing, and says what it leaves out", () => {
  const [batch] = tableFromArrays({
    n: Int32Array.of(1, 22, 333),
    name: ["鴨", "a\u001b[31m", "x".repeat(80)],
  }).batches;
  if (!(batch instanceof RecordBatch)) throw new Error("no batch");
  const all = new TableText(new Schema(batch.schema.fields), 0);
  all.add(batch);
  const lines = all.text().split("\n");
  expect(lines[2]).toBe("  1  鴨");
  expect(lines[3]).toBe(" 22  a·[31m");
  expect(lines[4]).toBe(`333  ${"x".repeat(59)}…`);
  const first = new TableText(batch.schema, 1);
  first.add(batch);
  expect(first.text()).toContain("(3 rows; the first 1 are shown: --max-rows 0 shows all)");
});

test("progress says what is left when it is known", () => {
  expect(rateText(1_000_000, 2000)).toBe("1,000,000 rows, 2.0 s, 500,000 rows/s");
  expect(rateText(1_000_000, 2000, 0.25)).toMatch(/25 %, 6\.0 s left$/);
});

test("table names are SQL's", () => {
  expect(tableParts('a."b.c""d"')).toEqual(["a", 'b.c"d']);
  expect(quotedName("lake.main.t")).toBe('"lake"."main"."t"');
  for (const bad of ["", "a.", ".a", 'a"b']) expect(() => tableParts(bad)).toThrow(/does not name a table/);
});
