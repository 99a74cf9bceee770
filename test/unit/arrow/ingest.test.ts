import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchDecoder, nullCountOf } from "../../../src/arrow/decode.ts";
import { decodeSchema } from "../../../src/arrow/schema.ts";
import { Engine } from "./engine.ts";
import { EXPECTED, fixture, schemaOf } from "./streams.ts";

/** Streams that pyarrow wrote, into a DuckDB table, against what DuckDB's own C++ import reads in them. */
let engine: Engine;
beforeAll(async () => {
  engine = await Engine.open();
});
afterAll(() => engine[Symbol.asyncDispose]());

/** DuckDB prints 32-bit floats of halves with a different number of digits than pyarrow's cast; compared as numbers. */
const NUMERIC = new Set(["f16", "f32"]);

function comparable(columns: readonly string[], row: ReadonlyArray<string | null>): unknown[] {
  return row.map((cell, i) => (cell !== null && NUMERIC.has(columns[i] ?? "") ? Math.fround(Number(cell)) : cell));
}

describe("pyarrow's streams arrive value by value", () => {
  test.each(Object.entries(EXPECTED))("%s", async (name, expected) => {
    const { header, frames } = fixture(name);
    const schema = decodeSchema(header);
    await engine.createTable("target", schema);
    const count = engine.append("target", schema, frames);
    const rows = await engine.texts("target", schema);
    const once = expected.rows.map((row) => comparable(expected.columns, row));
    const wanted = Array.from({ length: expected.repeat ?? 1 }, () => once).flat();
    expect(schema.fields.map((field) => field.name)).toEqual(expected.columns);
    expect(count).toBe(wanted.length);
    expect(rows.map((row) => comparable(expected.columns, row))).toEqual(wanted);
  });
});

test("an unaligned body reads as an aligned one does", async () => {
  for (const name of ["primitives", "texts", "temporals", "nested", "dictionaries"]) {
    const { header, frames } = fixture(name);
    const schema = decodeSchema(header);
    for (const shift of [1, 4]) {
      const shifted = frames.map((frame) => {
        const bytes = new Uint8Array(frame.body.byteLength + shift);
        bytes.set(frame.body, shift);
        const head = new Uint8Array(frame.header.byteLength + 1);
        head.set(frame.header, 1);
        return { header: head.subarray(1), body: bytes.subarray(shift) };
      });
      await engine.createTable("aligned", schema);
      await engine.createTable("shifted", schema);
      engine.append("aligned", schema, frames);
      engine.append("shifted", schema, shifted);
      expect(await engine.texts("shifted", schema)).toEqual(await engine.texts("aligned", schema));
    }
  }
});

test("NULLs are counted from the bits", () => {
  const decoder = new BatchDecoder(schemaOf("primitives"));
  const [frame] = fixture("primitives").frames;
  const batch = frame && decoder.decode(frame);
  expect(batch?.columns.map(nullCountOf)).toEqual(batch?.columns.map(() => 2));
  expect(batch?.bodyBytes).toBe(frame?.body.byteLength);
});

test("a member of a NULL struct is NULL", async () => {
  const { header, frames } = fixture("nested");
  const schema = decodeSchema(header);
  await engine.createTable("target", schema);
  engine.append("target", schema, frames);
  const rows = await engine.rows(
    `SELECT count(*) AS n FROM target WHERE st IS NULL AND (st.a IS NOT NULL OR st.b IS NOT NULL)
       OR "inner" IS NULL AND ("inner".p IS NOT NULL OR "inner".r IS NOT NULL)`,
  );
  expect(rows).toEqual([{ n: 0n }]);
});
