import duckdb from "@duckdb/node-bindings";
import {
  BinaryView,
  Decimal,
  DenseUnion,
  Dictionary,
  DurationNanosecond,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Int8,
  Int32,
  IntervalYearMonth,
  LargeBinary,
  List,
  Map_,
  Null,
  Schema,
  Struct,
  TimestampNanosecond,
  Uint64,
  Utf8,
} from "apache-arrow";
import { describe, expect, test } from "vitest";
import { logicalTypeOf } from "../../../src/arrow/logical-type.ts";
import { decodeSchema, encapsulate, encodeSchema, unwrapEncapsulated } from "../../../src/arrow/schema.ts";
import { arrowFieldOf, columnsOf, duckTypeOf, isAssignable, refuseUnstorable } from "../../../src/arrow/types.ts";
import { EiderError } from "../../../src/errors.ts";

const field = (type: Field["type"], name = "v", metadata?: Map<string, string>) =>
  new Field(name, type, true, metadata);
const struct = (...children: Field[]) => new Struct(children);

describe("Arrow types as DuckDB types", () => {
  test.each([
    [field(new Null()), "INT4"],
    [field(new Uint64()), "UBIGINT"],
    [field(new Float16()), "FLOAT"],
    [field(new LargeBinary()), "BLOB"],
    [field(new BinaryView()), "BLOB"],
    [field(new FixedSizeBinary(7)), "BLOB"],
    [field(new FixedSizeBinary(16), "v", new Map([["ARROW:extension:name", "arrow.uuid"]])), "UUID"],
    [field(new Utf8(), "v", new Map([["ARROW:extension:name", "arrow.json"]])), "JSON"],
    [field(new Utf8(), "v", new Map([["ARROW:extension:name", "someone.else"]])), "VARCHAR"],
    [field(new Decimal(2, 10, 64)), "DECIMAL(10,2)"],
    [field(new Decimal(-3, 10, 128)), "DECIMAL(13,0)"],
    [field(new Decimal(5, 3, 128)), "DECIMAL(5,5)"],
    [field(new Decimal(0, 38, 256)), "DECIMAL(38,0)"],
    [field(new TimestampNanosecond()), "TIMESTAMP_NS"],
    [field(new TimestampNanosecond("Europe/Paris")), "TIMESTAMP WITH TIME ZONE"],
    [field(new DurationNanosecond()), "INTERVAL"],
    [field(new IntervalYearMonth()), "INTERVAL"],
    [field(new Dictionary(new Utf8(), new Int8(), 1)), "VARCHAR"],
    [field(new List(field(new FixedSizeList(2, field(new Int32()))))), "INTEGER[][]"],
    [field(struct(field(new Int8(), "a b"), field(new Utf8(), 'q"'))), 'STRUCT("a b" TINYINT, "q""" VARCHAR)'],
    [
      field(
        new Map_(
          new Field("entries", struct(field(new Utf8(), "k"), field(new List(field(new Int8())), "x")), false) as never,
        ),
      ),
      "MAP(VARCHAR, TINYINT[])",
    ],
  ])("%s is %s", (each, sql) => {
    expect(duckTypeOf(each)).toBe(sql);
    expect(duckdb.get_type_id(logicalTypeOf(sql))).toBeGreaterThan(0);
    expect(isAssignable(sql, sql)).toBe("same");
    const copy = decodeSchema(encodeSchema(new Schema([each])));
    expect(columnsOf(copy)).toEqual([{ name: each.name, type: sql, nullable: true }]);
  });

  test.each([
    [field(new Decimal(0, 40, 256)), /column "v" is of the Arrow type decimal256\(40, 0\).*at most 38 digits/],
    [field(new Decimal(-10, 30, 128)), /decimal128\(30, -10\)/],
    [field(new DenseUnion([0], [field(new Int8(), "a")])), /column "v" is of the Arrow type Union<Int8>/],
    [field(struct()), /at least one member/],
    [field(struct(field(new Int8(), "a"), field(new Int8(), "A"))), /two members called "A"/],
    [field(struct(field(new Int8(), ""))), /member without a name/],
    [field(new List(field(struct(field(new Decimal(0, 76, 256), "deep")), "item"))), /column "v\.item\.deep"/],
  ])("%s is refused, its path and type named", (each, message) => {
    expect(() => decodeSchema(encodeSchema(new Schema([each])))).toThrow(message);
    expect(() => duckTypeOf(each)).toThrow(expect.objectContaining({ code: "type_unsupported" }));
  });

  test("types that apache-arrow does not know are refused by name", () => {
    const message = encodeSchema(new Schema([field(new List(field(new Int8())), "numbers")]));
    // The type number of the list, 12, becomes run-end encoded, list_view, large_list_view and one from the future.
    const at = message.findIndex((byte, i) => byte === 12 && namesType(message, i));
    for (const [number, name] of [
      [22, /column "numbers".*run_end_encoded/],
      [25, /column "numbers".*list_view/],
      [26, /column "numbers".*large_list_view/],
      [99, /column "numbers" is of an unknown Arrow type \(number 99\)/],
    ] as const) {
      const changed = message.slice();
      changed[at] = number;
      expect(() => decodeSchema(changed)).toThrow(name);
    }
  });
});

/** Whether changing byte `at` changes the type that the message's field claims. */
function namesType(message: Uint8Array, at: number): boolean {
  const changed = message.slice();
  changed[at] = 99;
  try {
    decodeSchema(changed);
    return false;
  } catch (error) {
    return error instanceof EiderError && /number 99/.test(error.message);
  }
}

test("a schema message is encapsulated and unwrapped", () => {
  const message = encodeSchema(new Schema([field(new Int8()), field(new Utf8(), "w")], new Map([["key", "value"]])));
  const wrapped = encapsulate(message);
  expect(wrapped.byteLength % 8).toBe(0);
  expect([...wrapped.subarray(0, 4)]).toEqual([255, 255, 255, 255]);
  const legacy = wrapped.slice(4);
  for (const bytes of [wrapped, message, legacy]) {
    const schema = decodeSchema(unwrapEncapsulated(bytes));
    expect(schema.names).toEqual(["v", "w"]);
    expect(schema.metadata.get("key")).toBe("value");
  }
  expect(() => unwrapEncapsulated(wrapped.subarray(0, 20))).toThrow(/cut short/);
  expect(() => unwrapEncapsulated(new Uint8Array(3))).toThrow(EiderError);
  expect(() => decodeSchema(new Uint8Array(40))).toThrow(EiderError);
  expect(() => decodeSchema(encodeSchema(new Schema([])).slice(0, 12))).toThrow(EiderError);
});

test("two fields may share a dictionary", () => {
  const words = new Utf8();
  const schema = new Schema([
    field(new Dictionary(words, new Int8(), 7), "a"),
    field(new Dictionary(words, new Int8(), 7), "b"),
  ]);
  expect(columnsOf(decodeSchema(encodeSchema(schema))).map((column) => column.type)).toEqual(["VARCHAR", "VARCHAR"]);
});

describe("isAssignable", () => {
  test.each([
    ["INT", "INTEGER", "same"],
    ["TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "same"],
    ["numeric(10, 2)", "DECIMAL(10,2)", "same"],
    ["STRUCT(A INTEGER, b VARCHAR)", 'STRUCT("a" INT, "B" TEXT)', "same"],
    ["STRUCT(a INTEGER, b VARCHAR)", "STRUCT(b VARCHAR, a INTEGER)", "cast"],
    ["STRUCT(a INTEGER, b VARCHAR)", "STRUCT(a INTEGER)", "no"],
    ["STRUCT(a INTEGER)", "STRUCT(b INTEGER)", "no"],
    ["MAP(VARCHAR, INTEGER)", "MAP(VARCHAR, BIGINT)", "cast"],
    ["INTEGER[]", "BIGINT[]", "cast"],
    ["INTEGER[]", "INTEGER", "no"],
    ["INTEGER[][]", "INTEGER[]", "no"],
    ["INTEGER[3]", "INTEGER[3]", "same"],
    ["INTEGER[3]", "INTEGER[2]", "no"],
    ["INT4", "VARCHAR", "same"],
    ["INT4", "STRUCT(a INTEGER)[]", "same"],
    ["INT4[]", "VARCHAR[]", "same"],
    ["INTEGER", "INT4", "same"],
    ["VARCHAR", "INT4", "no"],
    ["SMALLINT", "INTEGER", "cast"],
    ["INTEGER", "SMALLINT", "no"],
    ["USMALLINT", "INTEGER", "cast"],
    ["UINTEGER", "INTEGER", "no"],
    ["INTEGER", "UINTEGER", "no"],
    ["UBIGINT", "HUGEINT", "cast"],
    ["BIGINT", "DOUBLE", "no"],
    ["INTEGER", "DOUBLE", "cast"],
    ["INTEGER", "FLOAT", "no"],
    ["USMALLINT", "FLOAT", "cast"],
    ["BIGINT", "DECIMAL(19,0)", "cast"],
    ["BIGINT", "DECIMAL(20,2)", "no"],
    ["UBIGINT", "DECIMAL(20,0)", "cast"],
    ["DECIMAL(10,2)", "DECIMAL(12,3)", "cast"],
    ["DECIMAL(10,2)", "DECIMAL(12,5)", "no"],
    ["DECIMAL(10,2)", "DECIMAL(18,1)", "no"],
    ["FLOAT", "DOUBLE", "cast"],
    ["DOUBLE", "FLOAT", "no"],
    ["TIMESTAMP_S", "TIMESTAMP", "cast"],
    ["TIMESTAMP", "TIMESTAMP_S", "no"],
    ["TIMESTAMP_NS", "TIMESTAMP", "cast"],
    ["TIMESTAMP", "TIMESTAMPTZ", "no"],
    ["DATE", "TIMESTAMP", "cast"],
    ["VARCHAR", "JSON", "cast"],
    ["VARCHAR", "UUID", "cast"],
    ["VARCHAR", "BLOB", "no"],
    ["VARCHAR(10)", "TEXT", "same"],
    ["DECIMAL", "DECIMAL(18,3)", "same"],
    ["ENUM('a', 'b)')", "ENUM('a', 'b)')", "same"],
    ["ENUM('a')", "ENUM('b')", "no"],
  ] as const)("%s into %s: %s", (from, to, answer) => {
    expect(isAssignable(from, to)).toBe(answer);
  });

  test("a type that cannot be read is an error", () => {
    for (const text of ["", "STRUCT(", "INTEGER)", "MAP(VARCHAR)", "1;2", "STRUCT(a)"]) {
      expect(() => isAssignable(text, "INTEGER")).toThrow(EiderError);
    }
  });
});

test.each([
  ["HUGEINT", /BIGINT or DECIMAL\(38,0\)/],
  ["UHUGEINT", /UBIGINT/],
  ["STRUCT(a INTEGER, b HUGEINT[])", /column "c".*HUGEINT/],
  ["MAP(VARCHAR, TIME_NS)", /TIME/],
  ["BIT", /VARCHAR or BLOB/],
  ["ENUM('a', 'b')", /VARCHAR/],
  ["UNION(a INTEGER, b VARCHAR)", /STRUCT/],
  ["INTEGER[3]", /list/],
  ["BIGNUM", /DECIMAL/],
])("%s cannot be stored", (type, message) => {
  expect(() => refuseUnstorable({ name: "c", type, nullable: true })).toThrow(message);
});

test("what the lake takes is not refused", () => {
  for (const type of [
    "BIGINT",
    "DECIMAL(38,10)",
    "STRUCT(a JSON, b TIMESTAMP WITH TIME ZONE[])",
    "MAP(UUID, BLOB)",
    "INTERVAL",
    "VARIANT",
  ]) {
    refuseUnstorable({ name: "c", type, nullable: false });
  }
});

test("logical types come from their texts", () => {
  const type = logicalTypeOf("STRUCT(a DECIMAL(10,2), b MAP(VARCHAR, JSON[]))");
  expect(duckdb.struct_type_child_count(type)).toBe(2);
  expect(String(arrowFieldOf("x", type, true).type)).toBe(
    "Struct<{a:Decimal[10e+2], b:Map<{key:Utf8, value:List<Utf8>}>}>",
  );
});
