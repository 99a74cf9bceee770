import { type ColumnView, int32sOf, int64sOf, isNull } from "./column-view.ts";
import { refuseValue } from "./convert.ts";

/**
 * Values that fit Arrow's type and DuckDB's bytes, but that DuckDB 1.5.5 or DuckLake cannot handle. They are refused
 * when they come: a value that is acknowledged and cannot be written to the lake would hold up its table for good.
 * Bounds were measured by writing to DuckLake's Parquet files.
 */

const INT64_MAX = 2n ** 63n - 1n;

/** The smallest DATE; one below the number that stands for -infinity. */
const DATE_NONE = -(2 ** 31);

export function checkDates(column: ColumnView): ColumnView {
  const days = int32sOf(column.data, column.length);
  for (let row = 0; row < column.length; row++) {
    if (days[row] === DATE_NONE && !isNull(column, row)) {
      throw refuseValue(column, row, `${DATE_NONE} days`, "is before DuckDB's first date");
    }
  }
  return column;
}

interface TimestampRange {
  readonly unit: string;
  readonly low: bigint;
  readonly high: bigint;
  /** Whether the largest and smallest integers, DuckDB's infinities, can be written. */
  readonly hasInfinity: boolean;
}

/** By TimeUnit. Microseconds begin at midnight of their first day, nanoseconds too; seconds and milliseconds must fit them. */
const TIMESTAMP_RANGES: readonly TimestampRange[] = [
  { unit: "s", low: -9_223_372_022_400n, high: 9_223_372_036_854n, hasInfinity: false },
  { unit: "ms", low: -9_223_372_022_400_000n, high: 9_223_372_036_854_775n, hasInfinity: true },
  { unit: "us", low: -9_223_372_022_400_000_000n, high: INT64_MAX - 1n, hasInfinity: true },
  { unit: "ns", low: -9_223_286_400_000_000_000n, high: INT64_MAX - 1n, hasInfinity: true },
];

function timestampCheck({ unit, low, high, hasInfinity }: TimestampRange): (column: ColumnView) => ColumnView {
  // The upper halves decide for nearly every value; only those at the edges are looked at whole.
  const surelyLow = Number(low >> 32n) + 1;
  const surelyHigh = Number(high >> 32n) - 1;
  return (column) => {
    const words = int32sOf(column.data, column.length * 2);
    for (let row = 0; row < column.length; row++) {
      const upper = words[2 * row + 1] ?? 0;
      if ((upper >= surelyLow && upper <= surelyHigh) || isNull(column, row)) continue;
      const value = int64sOf(column.data, column.length)[row] ?? 0n;
      const isInfinite = hasInfinity && (value === INT64_MAX || value === -INT64_MAX);
      if ((value >= low && value <= high) || isInfinite) continue;
      throw refuseValue(column, row, `${value} ${unit}`, "is outside of the timestamps that DuckDB can hold");
    }
    return column;
  };
}

export const TIMESTAMP_CHECKS = TIMESTAMP_RANGES.map(timestampCheck);

/** Parquet's intervals are unsigned 32-bit months, days and milliseconds; DuckLake cuts the rest off, or fails. */
export function checkStorableIntervals(column: ColumnView): ColumnView {
  const view = new DataView(column.data.buffer, column.data.byteOffset, column.data.byteLength);
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const micros = view.getBigInt64(row * 16 + 8, true);
    const isNegative = view.getInt32(row * 16, true) < 0 || view.getInt32(row * 16 + 4, true) < 0 || micros < 0n;
    if (isNegative || micros % 1000n !== 0n || micros >= 2n ** 32n * 1000n) {
      const why =
        "cannot be kept in the lake, whose intervals are not negative and hold whole milliseconds below 2^32; use BIGINT";
      throw refuseValue(column, row, `an interval of ${micros} microseconds`, why);
    }
  }
  return column;
}
