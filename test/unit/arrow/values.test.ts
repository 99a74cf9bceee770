import duckdb from "@duckdb/node-bindings";
import {
  Binary,
  Bool,
  DataType,
  Field,
  Int32,
  Int64,
  IntervalYearMonth,
  List,
  Schema,
  tableFromIPC,
  Uint8,
  Utf8,
} from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { decodeSchema, encodeSchema } from "../../../src/arrow/schema.ts";
import { duckTypeOf, isAssignable } from "../../../src/arrow/types.ts";
import { cellValue, encodeTable } from "../../../src/arrow/values.ts";
import { Engine } from "./engine.ts";
import { EXPECTED, fixture, joinStream } from "./streams.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open();
});
afterAll(() => engine[Symbol.asyncDispose]());

describe("a cell binds as a parameter with its value and type", () => {
  test.each(["primitives", "texts", "temporals", "decimals", "nested", "dictionaries", "extensions"])(
    "%s",
    async (name) => {
      const { header, frames } = fixture(name);
      const schema = decodeSchema(header);
      const decoder = new BatchDecoder(schema, { use: "bind" });
      const batch = frames.map((frame) => decoder.decode(frame)).find((each) => each !== undefined);
      const expected = EXPECTED[name];
      for (const [i, field] of schema.fields.entries()) {
        // Two parameters: DuckDB 1.5.5 dies of one that is VARCHAR and used both with and without a cast.
        const statement = await duckdb.prepare(engine.connection, "SELECT typeof($1) AS t, $2::VARCHAR AS v");
        for (let row = 0; row < (batch?.rowCount ?? 0); row++) {
          const column = batch?.columns[i];
          if (!column) throw new Error("no column");
          duckdb.bind_value(statement, 1, cellValue(column, field, row));
          duckdb.bind_value(statement, 2, cellValue(column, field, row));
          const result = await duckdb.execute_prepared(statement);
          const chunk = await duckdb.fetch_chunk(result);
          const [type, text] = chunk ? textsOf(chunk) : [];
          const wanted = expected?.rows[row]?.[i] ?? null;
          expect(numeric(field.name, text ?? null)).toEqual(numeric(field.name, wanted));
          // JSON is VARCHAR once it is bound.
          const sql = duckTypeOf(field).replace(/^JSON$/, "VARCHAR");
          if (!DataType.isNull(field.type)) expect([type, isAssignable(String(type), sql)]).toEqual([type, "same"]);
        }
      }
    },
  );
});

function numeric(name: string, value: string | null): unknown {
  return value !== null && (name === "f16" || name === "f32") ? Math.fround(Number(value)) : value;
}

function textsOf(chunk: duckdb.DataChunk): Array<string | null> {
  return [0, 1].map((i) => {
    const vector = duckdb.data_chunk_get_vector(chunk, i);
    const mask = duckdb.vector_get_validity(vector, 8);
    if (mask && ((mask[0] ?? 0) & 1) === 0) return null;
    const data = duckdb.vector_get_data(vector, 16);
    const length = Buffer.from(data).readUInt32LE(0);
    const bytes =
      length <= 12 ? data.subarray(4, 4 + length) : duckdb.get_data_from_pointer(data.buffer as ArrayBuffer, 8, length);
    return Buffer.from(bytes).toString("utf8");
  });
}

test("a table of values is a batch of exactly its schema", () => {
  const schema = new Schema([
    new Field("name", new Utf8(), false),
    new Field("note", new Utf8(), true),
    new Field("code", new Int32(), true),
    new Field("big", new Int64(), true),
    new Field("rule", new Uint8(), false),
    new Field("flag", new Bool(), false),
    new Field("bytes", new Binary(), true),
    new Field("tags", new List(new Field("item", new Utf8(), false)), true),
  ]);
  const columns = [
    ["a", "ünï", ""],
    [null, "x", undefined],
    [-(2 ** 31), null, 2 ** 31 - 1],
    [-(2n ** 63n), 5, null],
    [0, 255, 3],
    [true, false, true],
    [Uint8Array.of(255, 0), null, new Uint8Array(0)],
    [["p", "q"], [], null],
  ];
  const table = tableFromIPC(joinStream(encodeSchema(schema), encodeTable(schema, columns)));
  const plain = (value: unknown): unknown =>
    value instanceof Uint8Array
      ? value
      : value && typeof value === "object"
        ? [...(value as Iterable<unknown>)]
        : value;
  const got = columns.map((_, i) => [0, 1, 2].map((row) => plain(table.getChildAt(i)?.get(row))));
  expect(got).toEqual([
    ["a", "ünï", ""],
    [null, "x", null],
    [-(2 ** 31), null, 2 ** 31 - 1],
    [-(2n ** 63n), 5n, null],
    [0, 255, 3],
    [true, false, true],
    [Uint8Array.of(255, 0), null, new Uint8Array(0)],
    [["p", "q"], [], null],
  ]);
  expect(
    encodeTable(
      schema,
      schema.fields.map(() => []),
    ),
  ).toEqual([]);
});

test("a table of values is checked against its schema", () => {
  const one = (type: Field["type"], nullable: boolean) => new Schema([new Field("c", type, nullable)]);
  expect(() => encodeTable(one(new Utf8(), false), [[null]])).toThrow(/column "c" must not be NULL/);
  expect(() => encodeTable(one(new Uint8(), false), [[256]])).toThrow(/column "c": 256 is not Uint8/);
  expect(() => encodeTable(one(new IntervalYearMonth(), false), [[1]])).toThrow(/column "c" is Interval/);
  expect(() => encodeTable(one(new Utf8(), false), [])).toThrow(/0 columns for a schema of 1/);
});
