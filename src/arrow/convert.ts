import { EiderError } from "../errors.ts";
import { bytesColumn, type ColumnView, fixedColumn, int32sOf, int64sOf, isNull } from "./column-view.ts";

/**
 * Values whose representation differs between Arrow and DuckDB. Each converter checks every value that is not NULL and
 * throws request_invalid, naming the column and the value, rather than lose a part of it. NULL slots hold anything in
 * Arrow and become 0.
 */
export type Converter = (column: ColumnView) => ColumnView;

const WORD = 2 ** 32;
const DAY_MS = 86_400_000;
/** DuckDB's TIME goes to 24:00:00 inclusive. */
const DAY_US = 86_400_000_000;
const INT64_MAX = 2n ** 63n - 1n;

export function refuseValue(column: ColumnView, row: number, value: unknown, why: string): EiderError {
  return new EiderError("request_invalid", `column "${column.path}" row ${row + 1}: ${value} ${why}`);
}

/** Reads 64-bit values as floor(value / 1000) and throws where that loses something. */
function divideBy1000(column: ColumnView, what: string): ColumnView {
  const source = int32sOf(column.data, column.length * 2);
  const target = new Int32Array(column.length * 2);
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const high = source[2 * row + 1] ?? 0;
    const low = (source[2 * row] ?? 0) >>> 0;
    const highQuotient = Math.floor(high / 1000);
    const rest = (high - highQuotient * 1000) * WORD + low;
    const lowQuotient = Math.floor(rest / 1000);
    if (rest !== lowQuotient * 1000) throw refuseValue(column, row, int64At(column, row), what);
    target[2 * row] = lowQuotient;
    target[2 * row + 1] = highQuotient;
  }
  return fixedColumn(column, 8, bytesOf(target));
}

function int64At(column: ColumnView, row: number): bigint {
  return int64sOf(column.data, column.length)[row] ?? 0n;
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** 64-bit values times `factor`; throws where the result is beyond what DuckDB's microseconds reach. */
function multiply64(column: ColumnView, factor: bigint): ColumnView {
  const source = int64sOf(column.data, column.length);
  const target = new BigInt64Array(column.length);
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const value = source[row] ?? 0n;
    const scaled = value * factor;
    // The largest and smallest integers stand for infinity in DuckDB.
    if (scaled >= INT64_MAX || scaled <= -INT64_MAX) {
      throw refuseValue(column, row, value, "is beyond the range of microseconds in 64 bits");
    }
    target[row] = scaled;
  }
  return fixedColumn(column, 8, bytesOf(target));
}

const NS_LOSS = "has nanoseconds that microseconds cannot hold; round it to microseconds";

/** Timestamps with a time zone: DuckDB has them in microseconds alone. By TimeUnit. */
export const TIMESTAMP_TZ: ReadonlyArray<Converter | undefined> = [
  (column) => multiply64(column, 1_000_000n),
  (column) => multiply64(column, 1000n),
  undefined,
  (column) => divideBy1000(column, NS_LOSS),
];

function checkTimes(column: ColumnView): ColumnView {
  const words = int32sOf(column.data, column.length * 2);
  for (let row = 0; row < column.length; row++) {
    const value = (words[2 * row + 1] ?? 0) * WORD + ((words[2 * row] ?? 0) >>> 0);
    if ((value < 0 || value > DAY_US) && !isNull(column, row)) {
      throw refuseValue(column, row, int64At(column, row), "is not a time of day");
    }
  }
  return column;
}

function widenTimes(column: ColumnView, factor: number): ColumnView {
  const source = int32sOf(column.data, column.length);
  const target = new Int32Array(column.length * 2);
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const value = source[row] ?? 0;
    const micros = value * factor;
    if (micros < 0 || micros > DAY_US) throw refuseValue(column, row, value, "is not a time of day");
    target[2 * row] = micros;
    target[2 * row + 1] = Math.floor(micros / WORD);
  }
  return fixedColumn(column, 8, bytesOf(target));
}

/** Times of day to microseconds. By TimeUnit. */
export const TIMES: readonly Converter[] = [
  (column) => widenTimes(column, 1_000_000),
  (column) => widenTimes(column, 1000),
  checkTimes,
  (column) => checkTimes(divideBy1000(column, NS_LOSS)),
];

/** Arrow's date64 counts milliseconds and must hold whole days. */
export function datesOfMillis(column: ColumnView): ColumnView {
  const words = int32sOf(column.data, column.length * 2);
  const target = new Int32Array(column.length);
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const millis = (words[2 * row + 1] ?? 0) * WORD + ((words[2 * row] ?? 0) >>> 0);
    const days = millis / DAY_MS;
    if (!Number.isSafeInteger(millis) || !Number.isInteger(days) || Math.abs(days) >= 2 ** 31 - 1) {
      throw refuseValue(column, row, int64At(column, row), "is not a whole number of days in milliseconds");
    }
    target[row] = days;
  }
  return fixedColumn(column, 4, bytesOf(target));
}

/** Builds DuckDB intervals: months and days as int32, then microseconds as int64. */
function intervals(
  column: ColumnView,
  read: (row: number) => { months: number; days: number; micros: bigint },
): ColumnView {
  const target = new DataView(new ArrayBuffer(column.length * 16));
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const { months, days, micros } = read(row);
    target.setInt32(row * 16, months, true);
    target.setInt32(row * 16 + 4, days, true);
    target.setBigInt64(row * 16 + 8, micros, true);
  }
  return fixedColumn(column, 16, bytesOf(target));
}

/** Durations become intervals of microseconds, so that they are kept exactly. By TimeUnit. */
export const DURATIONS: readonly Converter[] = [
  (column) => durations(multiply64(column, 1_000_000n)),
  (column) => durations(multiply64(column, 1000n)),
  (column) => durations(column),
  (column) => durations(divideBy1000(column, NS_LOSS)),
];

function durations(column: ColumnView): ColumnView {
  const values = int64sOf(column.data, column.length);
  return intervals(column, (row) => ({ months: 0, days: 0, micros: values[row] ?? 0n }));
}

/** By IntervalUnit: year_month, day_time, month_day_nano. */
export const INTERVALS: readonly Converter[] = [
  (column) => {
    const months = int32sOf(column.data, column.length);
    return intervals(column, (row) => ({ months: months[row] ?? 0, days: 0, micros: 0n }));
  },
  (column) => {
    const words = int32sOf(column.data, column.length * 2);
    return intervals(column, (row) => ({
      months: 0,
      days: words[2 * row] ?? 0,
      micros: BigInt(words[2 * row + 1] ?? 0) * 1000n,
    }));
  },
  (column) => {
    const view = new DataView(column.data.buffer, column.data.byteOffset, column.data.byteLength);
    return intervals(column, (row) => {
      const nanos = view.getBigInt64(row * 16 + 8, true);
      if (nanos % 1000n !== 0n) throw refuseValue(column, row, `${nanos} ns`, NS_LOSS);
      return { months: view.getInt32(row * 16, true), days: view.getInt32(row * 16 + 4, true), micros: nanos / 1000n };
    });
  },
];

export function floatsOfHalves(column: ColumnView): ColumnView {
  const view = new DataView(column.data.buffer, column.data.byteOffset, column.data.byteLength);
  const target = new Float32Array(column.length);
  for (let row = 0; row < column.length; row++) {
    const half = view.getUint16(row * 2, true);
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    const sign = half & 0x8000 ? -1 : 1;
    if (exponent === 0x1f) target[row] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) target[row] = sign * fraction * 2 ** -24;
    else target[row] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return fixedColumn(column, 4, bytesOf(target));
}

/** 16 big-endian bytes to DuckDB's UUID: a little-endian 128-bit integer whose top bit is flipped, so that it sorts. */
export function uuidsOfBytes(column: ColumnView): ColumnView {
  const target = new Uint8Array(column.length * 16);
  for (let at = 0; at < target.length; at += 16) {
    for (let i = 0; i < 16; i++) target[at + i] = column.data[at + 15 - i] ?? 0;
    target[at + 15] = (target[at + 15] ?? 0) ^ 0x80;
  }
  return fixedColumn(column, 16, target);
}

export function blobsOfFixed(column: ColumnView): ColumnView {
  const offsets = new Int32Array(column.length + 1);
  for (let i = 1; i <= column.length; i++) offsets[i] = i * column.width;
  return bytesColumn(column, offsets, column.data);
}
