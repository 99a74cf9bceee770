import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type DataType,
  DateDay,
  DurationMicrosecond,
  IntervalMonthDayNano,
  TimeMicrosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
} from "apache-arrow";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { decodeSchema } from "../../../src/arrow/schema.ts";
import { quoteIdentifier, quoteLiteral } from "../../../src/duck/sql.ts";
import { EiderError } from "../../../src/errors.ts";
import { buildBatch, NONE } from "./build.ts";
import { Engine } from "./engine.ts";
import { EXPECTED, fixture } from "./streams.ts";

/**
 * What the decoder takes, DuckLake can keep: a value that is acknowledged and cannot be flushed would hold up its table
 * for good. Into Parquet files (no inlining), and back.
 */
const extension = join(process.env["EIDER_EXTENSION_DIR"] ?? "", "ducklake.duckdb_extension");

let engine: Engine;
let folder: string;

describe.skipIf(!existsSync(extension))("what is taken can be kept in the lake", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "eider-arrow-"));
    engine = await Engine.open();
    await engine.run(`LOAD ${quoteLiteral(extension)}`);
    const catalog = quoteLiteral(`ducklake:${join(folder, "catalog.ducklake")}`);
    await engine.run(
      `ATTACH ${catalog} AS lake (DATA_PATH ${quoteLiteral(`${folder}/data/`)}, DATA_INLINING_ROW_LIMIT 0)`,
    );
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const names = Object.keys(EXPECTED).filter((name) => !/-(lz4|zstd|sliced)$/.test(name) && name !== "temporals");
  test.each(names)("%s", async (name) => {
    const { header, frames } = fixture(name);
    const schema = decodeSchema(header);
    await engine.createTable("source", schema);
    engine.append("source", schema, frames);
    await engine.run("CREATE OR REPLACE TABLE lake.target AS SELECT rowid AS r, * FROM source");
    const texts = schema.fields.map((field) => `${quoteIdentifier(field.name)}::VARCHAR`).join(", ");
    const [difference] = await engine.rows(
      `SELECT count(*) AS n FROM (SELECT r, ${texts} FROM lake.target EXCEPT SELECT rowid, ${texts} FROM source)`,
    );
    expect(difference).toEqual({ n: 0n });
  });

  const INT64_EDGES = [
    -(2n ** 63n),
    -(2n ** 63n) + 1n,
    2n ** 63n - 1n,
    -9_223_372_022_400_000_000n,
    -9_223_286_400_000_000_000n,
    9_223_372_036_854_775n,
    -9_223_372_022_400_000n,
    9_223_372_036_854n,
    -9_223_372_022_400n,
    86_400_000_000n,
    4_294_967_296_000_000n,
    0n,
  ];
  const nearEdge = fc
    .tuple(fc.constantFrom(...INT64_EDGES), fc.bigInt(-2n, 2n))
    .map(([edge, step]) => BigInt.asIntN(64, edge + step));
  const millis = fc.bigInt(0n, 2n ** 32n).map((value) => value * 1_000_000n);
  const int64 = fc.oneof(nearEdge, fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), millis);
  const MAKERS: ReadonlyArray<readonly [string, () => DataType, (values: readonly bigint[]) => ArrayBufferView]> = [
    ["seconds", () => new TimestampSecond(), (values) => BigInt64Array.from(values)],
    ["milliseconds", () => new TimestampMillisecond(), (values) => BigInt64Array.from(values)],
    ["microseconds", () => new TimestampMicrosecond(), (values) => BigInt64Array.from(values)],
    ["nanoseconds", () => new TimestampNanosecond(), (values) => BigInt64Array.from(values)],
    ["moments with a zone", () => new TimestampMicrosecond("UTC"), (values) => BigInt64Array.from(values)],
    ["seconds with a zone", () => new TimestampSecond("UTC"), (values) => BigInt64Array.from(values)],
    ["times", () => new TimeMicrosecond(), (values) => BigInt64Array.from(values)],
    ["durations", () => new DurationMicrosecond(), (values) => BigInt64Array.from(values)],
    ["dates", () => new DateDay(), (values) => Int32Array.from(values, (value) => Number(BigInt.asIntN(32, value)))],
    [
      "intervals",
      () => new IntervalMonthDayNano(),
      (values) => BigInt64Array.from(values.flatMap((value) => [value & 0x7fffffffn, value])),
    ],
  ];

  test.each(MAKERS)("any %s, or they are refused", async (_name, type, bytes) => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(int64, async (value) => {
        const { schema, frame } = buildBatch(type(), 1, [NONE, bytes([value])]);
        try {
          new BatchDecoder(schema).decode(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(EiderError);
          return;
        }
        taken++;
        await engine.createTable("source", schema);
        engine.append("source", schema, [frame]);
        await engine.run("CREATE OR REPLACE TABLE lake.target AS SELECT * FROM source");
        const [wanted] = await engine.rows("SELECT v::VARCHAR AS v FROM source");
        expect(await engine.rows("SELECT v::VARCHAR AS v FROM lake.target")).toEqual([wanted]);
      }),
      { numRuns: 25, examples: [[0n]] },
    );
    expect(taken).toBeGreaterThan(0);
  });
});
