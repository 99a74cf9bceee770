import {
  type DataType,
  DateDay,
  DateMillisecond,
  Decimal,
  DurationSecond,
  IntervalDayTime,
  IntervalMonthDayNano,
  IntervalYearMonth,
  TimeMicrosecond,
  TimeNanosecond,
  TimeSecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
} from "apache-arrow";
import { describe, expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { type BuiltBatch, buildBatch, NONE } from "./build.ts";

const int64 = (...values: bigint[]) => BigInt64Array.from(values);
const int32 = (...values: number[]) => Int32Array.from(values);
const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

function decode({ schema, frame }: BuiltBatch): void {
  new BatchDecoder(schema, { maxDecompressedBytes: 2 ** 20 }).decode(frame);
}

const VALUES: ReadonlyArray<readonly [name: string, batch: BuiltBatch, message: RegExp]> = [
  [
    "part of a day",
    buildBatch(new DateMillisecond(), 2, [NONE, int64(86_400_000n, 1n)]),
    /column "v" row 2: 1 is not a whole number of days/,
  ],
  ["a date before the first", buildBatch(new DateDay(), 1, [NONE, int32(-(2 ** 31))]), /before DuckDB's first date/],
  ["a negative time", buildBatch(new TimeMicrosecond(), 1, [NONE, int64(-1n)]), /-1 is not a time of day/],
  ["a time beyond 24 hours", buildBatch(new TimeSecond(), 1, [NONE, int32(86_401)]), /86401 is not a time of day/],
  [
    "nanoseconds of a time",
    buildBatch(new TimeNanosecond(), 1, [NONE, int64(1001n)]),
    /1001 has nanoseconds that microseconds cannot hold/,
  ],
  [
    "nanoseconds of a moment with a zone",
    buildBatch(new TimestampNanosecond("UTC"), 1, [NONE, int64(-1n)]),
    /nanoseconds/,
  ],
  [
    "a moment with a zone beyond microseconds",
    buildBatch(new TimestampSecond("UTC"), 1, [NONE, int64(MAX / 10n)]),
    /beyond the range of microseconds/,
  ],
  [
    "nanoseconds of an interval",
    buildBatch(new IntervalMonthDayNano(), 1, [NONE, int64(0n, 7n)]),
    /7 ns has nanoseconds/,
  ],
  ["a negative interval", buildBatch(new IntervalDayTime(), 1, [NONE, int32(-1, 0)]), /cannot be kept in the lake/],
  [
    "microseconds of an interval",
    buildBatch(new IntervalMonthDayNano(), 1, [NONE, int64(0n, 1000n)]),
    /cannot be kept in the lake/,
  ],
  [
    "a negative number of months",
    buildBatch(new IntervalYearMonth(), 1, [NONE, int32(-1)]),
    /cannot be kept in the lake/,
  ],
  [
    "a duration beyond 49 days",
    buildBatch(new DurationSecond(), 1, [NONE, int64(4_294_968n)]),
    /cannot be kept in the lake/,
  ],
  [
    "more digits than declared",
    buildBatch(new Decimal(0, 3, 128), 1, [NONE, int64(1000n, 0n)]),
    /1000 has more than the 3 digits/,
  ],
  [
    "more than 18 digits in 18",
    buildBatch(new Decimal(0, 18, 128), 1, [NONE, int64(-(10n ** 18n), -1n)]),
    /more than the 18 digits/,
  ],
  [
    "a decimal of 128 bits in 4 digits",
    buildBatch(new Decimal(0, 4, 128), 1, [NONE, int64(0n, 1n)]),
    /more than the 4 digits/,
  ],
  ["seconds that are infinite", buildBatch(new TimestampSecond(), 1, [NONE, int64(MAX)]), /outside of the timestamps/],
  [
    "milliseconds beyond microseconds",
    buildBatch(new TimestampMillisecond(), 1, [NONE, int64(MAX / 1000n + 1n)]),
    /outside of the timestamps/,
  ],
  [
    "microseconds before the first day",
    buildBatch(new TimestampMicrosecond(), 1, [NONE, int64(MIN)]),
    /outside of the timestamps/,
  ],
  [
    "nanoseconds before the first day",
    buildBatch(new TimestampNanosecond(), 1, [NONE, int64(MIN + 5n)]),
    /outside of the timestamps/,
  ],
];

describe("a value that DuckDB or the lake cannot hold is refused, column and row named", () => {
  test.each(VALUES)("%s", (_name, batch, message) => {
    expect(() => decode(batch)).toThrow(message);
    expect(() => decode(batch)).toThrow(expect.objectContaining({ code: "request_invalid" }));
  });

  test("but not where it is NULL", () => {
    for (const [, { schema, frame }] of VALUES.filter(([name]) => name !== "part of a day")) {
      const type = schema.fields[0]?.type as DataType;
      const bytes = frame.body;
      const batch = buildBatch(type, 1, [Uint8Array.of(0), bytes], [[1, 1]]);
      expect(() => decode(batch)).not.toThrow();
    }
  });

  test("and parameters take any interval", () => {
    const { schema, frame } = buildBatch(new IntervalDayTime(), 1, [NONE, int32(-1, -5)]);
    expect(new BatchDecoder(schema, { use: "bind" }).decode(frame)?.rowCount).toBe(1);
  });
});
