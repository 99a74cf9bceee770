import {
  type Data,
  type DataType,
  type Decimal,
  type Field,
  type FixedSizeList,
  type Float,
  Precision,
  type Time,
  type Timestamp,
  TimeUnit,
  Type,
} from "apache-arrow";
import { dateText, dateTimeText } from "./date-text.ts";

/** How a value is written. JSON takes a bare text as it is and another as a string. */
interface Text {
  readonly text: string;
  readonly isBare: boolean;
}

type Writer = (data: Data, row: number) => Text;

/** Digits that a double, which most JSON readers make of a number, keeps for certain. */
const DOUBLE_DIGITS = 15;
const FLOAT_DIGITS = { least: 6, most: 9 };
const DAY_SECONDS = 86_400n;
/** DuckDB's infinite dates and timestamps. */
const DATE_INFINITY = 2 ** 31 - 1;
const TIMESTAMP_INFINITY = 2n ** 63n - 1n;

const bare = (text: string): Text => ({ text, isBare: true });
const quoted = (text: string): Text => ({ text, isBare: false });
const utf8 = new TextDecoder();

/** THE table of how a value of an Arrow type is written; the same rules as those of JSON and CSV over HTTP. */
const WRITERS: Readonly<Partial<Record<Type, Writer>>> = {
  [Type.Null]: () => bare("null"),
  [Type.Bool]: (data, row) =>
    bare(String((((data.values[(data.offset + row) >> 3] ?? 0) >> ((data.offset + row) & 7)) & 1) === 1)),
  [Type.Int]: (data, row) => integerText(data.values[row]),
  [Type.Float]: (data, row) => floatText((data.type as Float).precision, Number(data.values[row])),
  [Type.Decimal]: decimalText,
  [Type.Utf8]: (data, row) => quoted(utf8.decode(bytesAt(data, row))),
  [Type.LargeUtf8]: (data, row) => quoted(utf8.decode(bytesAt(data, row))),
  [Type.Binary]: (data, row) => quoted(Buffer.from(bytesAt(data, row)).toString("base64")),
  [Type.LargeBinary]: (data, row) => quoted(Buffer.from(bytesAt(data, row)).toString("base64")),
  [Type.Date]: (data, row) => quoted(dayText(Number(data.values[row]))),
  [Type.Time]: (data, row) => quoted(clockText(BigInt(data.values[row]), (data.type as Time).unit)),
  [Type.Timestamp]: timestampText,
  [Type.Interval]: intervalText,
  [Type.List]: (data, row) =>
    listText(data.children[0], Number(data.valueOffsets[row]), Number(data.valueOffsets[row + 1])),
  [Type.FixedSizeList]: (data, row) => {
    const { listSize } = data.type as FixedSizeList;
    return listText(data.children[0], row * listSize, (row + 1) * listSize);
  },
  [Type.Struct]: (data, row) => structText(data, row),
  [Type.Map]: mapText,
  [Type.Dictionary]: (data, row) => {
    const key = Number(data.values[row]);
    const values = data.dictionary?.data[0];
    return values?.getValid(key) ? write(values, key) : bare("null");
  },
};

/** The value in full, nested ones as JSON; undefined: NULL. */
export function cellText(data: Data, row: number): string | undefined {
  return data.getValid(row) && data.typeId !== Type.Null ? write(data, row).text : undefined;
}

/** The value as JSON, every digit kept: what a double would round is a string. */
export function jsonText(data: Data | undefined, row: number): string {
  if (!data?.getValid(row)) return "null";
  const { text, isBare } = write(data, row);
  return isBare ? text : JSON.stringify(text);
}

export function isNumeric({ typeId }: DataType): boolean {
  return typeId === Type.Int || typeId === Type.Float || typeId === Type.Decimal;
}

function write(data: Data, row: number): Text {
  const writer = WRITERS[data.typeId as Type];
  if (!writer) throw new TypeError(`values of the Arrow type ${data.type} cannot be printed; CAST them to VARCHAR`);
  return writer(data, row);
}

function bytesAt(data: Data, row: number): Uint8Array {
  return data.values.subarray(Number(data.valueOffsets[row]), Number(data.valueOffsets[row + 1]));
}

function integerText(value: number | bigint): Text {
  return {
    text: String(value),
    isBare: typeof value === "number" || (BigInt(Number(value)) === value && Number.isSafeInteger(Number(value))),
  };
}

function floatText(precision: Precision, value: number): Text {
  if (!Number.isFinite(value)) return quoted(String(value));
  if (Object.is(value, -0)) return bare("-0.0");
  if (precision !== Precision.SINGLE) return bare(String(value));
  for (let digits = FLOAT_DIGITS.least; digits < FLOAT_DIGITS.most; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return bare(String(shorter));
  }
  return bare(String(Number(value.toPrecision(FLOAT_DIGITS.most))));
}

function decimalText(data: Data, row: number): Text {
  const { scale, bitWidth } = data.type as Decimal;
  const words = bitWidth / 32;
  let digits = 0n;
  for (let i = words - 1; i >= 0; i--) digits = (digits << 32n) | BigInt(data.values[row * words + i] >>> 0);
  digits = BigInt.asIntN(bitWidth, digits);
  const sign = digits < 0n ? "-" : "";
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  const whole = text.slice(0, text.length - scale);
  return {
    text: `${sign}${whole}${scale > 0 ? `.${text.slice(text.length - scale)}` : ""}`,
    isBare: text.length <= DOUBLE_DIGITS,
  };
}

function dayText(days: number): string {
  if (Math.abs(days) >= DATE_INFINITY) return days > 0 ? "infinity" : "-infinity";
  return dateText(days);
}

const PER_SECOND: Readonly<Record<TimeUnit, bigint>> = {
  [TimeUnit.SECOND]: 1n,
  [TimeUnit.MILLISECOND]: 1000n,
  [TimeUnit.MICROSECOND]: 1_000_000n,
  [TimeUnit.NANOSECOND]: 1_000_000_000n,
};

function clockText(value: bigint, unit: TimeUnit = TimeUnit.MICROSECOND): string {
  const perSecond = PER_SECOND[unit];
  const seconds = Number(value / perSecond);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return clock + fractionText(value % perSecond, String(perSecond).length - 1);
}

function fractionText(value: bigint, digits: number): string {
  return value === 0n ? "" : `.${String(value).padStart(digits, "0").replace(/0+$/, "")}`;
}

function timestampText(data: Data, row: number): Text {
  const { unit, timezone } = data.type as Timestamp;
  const value = BigInt(data.values[row]);
  if (value >= TIMESTAMP_INFINITY || value <= -TIMESTAMP_INFINITY) return quoted(value > 0n ? "infinity" : "-infinity");
  const perDay = PER_SECOND[unit] * DAY_SECONDS;
  const ofDay = ((value % perDay) + perDay) % perDay;
  const clock = clockText(ofDay, unit);
  return quoted(`${dateTimeText(Number((value - ofDay) / perDay), clock)}${timezone ? "Z" : ""}`);
}

const counted = (count: number, unit: string) =>
  count === 0 ? "" : `${count} ${unit}${Math.abs(count) === 1 ? "" : "s"}`;

/** DuckDB's intervals, month_day_nano, as it prints them: `1 year 2 months 3 days 04:05:06.5`. */
function intervalText(data: Data, row: number): Text {
  const words = new Int32Array(data.values.buffer, data.values.byteOffset + row * 16, 4);
  const [months = 0, days = 0, low = 0, high = 0] = words;
  const nanos = (BigInt(high) << 32n) | BigInt(low >>> 0);
  const micros = nanos / 1000n;
  const parts = [counted(Math.trunc(months / 12), "year"), counted(months % 12, "month"), counted(days, "day")];
  if (micros !== 0n || (months === 0 && days === 0)) {
    parts.push(`${micros < 0n ? "-" : ""}${clockText(micros < 0n ? -micros : micros)}`);
  }
  return quoted(parts.filter((part) => part !== "").join(" "));
}

function listText(child: Data | undefined, from: number, to: number): Text {
  return bare(`[${Array.from({ length: to - from }, (_, i) => jsonText(child, from + i)).join(",")}]`);
}

function structText(data: Data, row: number): Text {
  const fields: readonly Field[] = data.type.children;
  const pairs = fields.map(({ name }, i) => `${JSON.stringify(name)}:${jsonText(data.children[i], row)}`);
  return bare(`{${pairs.join(",")}}`);
}

function mapText(data: Data, row: number): Text {
  const [keys, values] = data.children[0]?.children ?? [];
  const pairs: string[] = [];
  for (let at = Number(data.valueOffsets[row]); at < Number(data.valueOffsets[row + 1]); at++) {
    pairs.push(`${JSON.stringify(keys ? (cellText(keys, at) ?? "null") : "null")}:${jsonText(values, at)}`);
  }
  return bare(`{${pairs.join(",")}}`);
}
