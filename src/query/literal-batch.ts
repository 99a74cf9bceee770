import {
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  Schema,
  TimestampMicrosecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import { encodeTable } from "../arrow/encode-table.ts";
import type { Frame } from "../arrow/read.ts";
import { encodeSchema } from "../arrow/schema.ts";
import { RecentMap } from "../base/recent-map.ts";
import type { Column } from "../base/table.ts";
import type { Literal } from "./values-list.ts";

/** What a column of this type makes of a literal, exactly as DuckDB's cast would; undefined where only DuckDB knows. */
type Reading = (literal: Exclude<Literal, { kind: "null" }>) => bigint | number | string | boolean | undefined;

interface LiteralType {
  readonly arrow: DataType;
  readonly read: Reading;
}

/** Decimal digits that a double holds exactly. */
const DOUBLE_DIGITS = 15;
const FLOAT_DIGITS = 7;
const DAY_MS = 86_400_000;
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIMESTAMP = /^(\d{4}-\d\d-\d\d)[ T]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?$/;

const integer =
  (bits: number, isSigned: boolean): Reading =>
  (literal) => {
    if (literal.kind !== "number" || literal.text.includes(".")) return undefined;
    const value = BigInt(literal.text);
    const wrapped = isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
    return wrapped === value ? value : undefined;
  };

/** To DuckDB `-0.0` is a decimal, which has no negative zero. */
const withoutSign0 = (value: number) => (value === 0 ? 0 : value);

/** Both the digits and the power of ten are exact as doubles, so that their quotient is the nearest one in DuckDB, too. */
const double: Reading = (literal) =>
  literal.kind === "number" && literal.text.replace(/\D/g, "").length <= DOUBLE_DIGITS
    ? withoutSign0(Number(literal.text))
    : undefined;

const float: Reading = (literal) =>
  literal.kind === "number" && /^-?\d+$/.test(literal.text) && literal.text.length <= FLOAT_DIGITS
    ? withoutSign0(Number(literal.text))
    : undefined;

function daysOf(text: string): number | undefined {
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (year === undefined || year < "0100") return undefined;
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // 31 February is another day to JavaScript, and an error to DuckDB.
  return new Date(ms).toISOString().startsWith(text) ? ms / DAY_MS : undefined;
}

const date: Reading = (literal) => (literal.kind === "string" ? daysOf(literal.text) : undefined);

const timestamp: Reading = (literal) => {
  if (literal.kind !== "string") return undefined;
  const [, day = "", hours, minutes, seconds, fraction = ""] = TIMESTAMP.exec(literal.text) ?? [];
  const days = daysOf(day);
  if (days === undefined) return undefined;
  const wholeSeconds = ((days * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return BigInt(wholeSeconds) * 1_000_000n + BigInt(fraction.padEnd(6, "0"));
};

function decimal(width: number, scale: number): LiteralType {
  const read: Reading = (literal) => {
    if (literal.kind !== "number") return undefined;
    const [whole = "", fraction = ""] = literal.text.split(".");
    // DuckDB rounds what does not fit behind the point.
    if (fraction.length > scale) return undefined;
    const unscaled = BigInt(whole + fraction.padEnd(scale, "0"));
    return unscaled < 10n ** BigInt(width) && unscaled > -(10n ** BigInt(width)) ? unscaled : undefined;
  };
  return { arrow: new Decimal(scale, width, 128), read };
}

const TYPES: Readonly<Record<string, LiteralType>> = {
  BOOLEAN: { arrow: new Bool(), read: (literal) => (literal.kind === "boolean" ? literal.value : undefined) },
  TINYINT: { arrow: new Int8(), read: integer(8, true) },
  SMALLINT: { arrow: new Int16(), read: integer(16, true) },
  INTEGER: { arrow: new Int32(), read: integer(32, true) },
  BIGINT: { arrow: new Int64(), read: integer(64, true) },
  UTINYINT: { arrow: new Uint8(), read: integer(8, false) },
  USMALLINT: { arrow: new Uint16(), read: integer(16, false) },
  UINTEGER: { arrow: new Uint32(), read: integer(32, false) },
  UBIGINT: { arrow: new Uint64(), read: integer(64, false) },
  FLOAT: { arrow: new Float32(), read: float },
  DOUBLE: { arrow: new Float64(), read: double },
  VARCHAR: { arrow: new Utf8(), read: (literal) => (literal.kind === "string" ? literal.text : undefined) },
  DATE: { arrow: new DateDay(), read: date },
  TIMESTAMP: { arrow: new TimestampMicrosecond(), read: timestamp },
};

function literalType(type: string): LiteralType | undefined {
  if (Object.hasOwn(TYPES, type)) return TYPES[type];
  const [, width, scale] = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type) ?? [];
  return width === undefined ? undefined : decimal(Number(width), Number(scale));
}

interface Layout {
  readonly schema: Schema;
  readonly bytes: Uint8Array;
  readonly readings: readonly Reading[];
}

const layouts = new RecentMap<string, Layout>(256);

function layoutOf(columns: readonly Column[]): Layout | undefined {
  const key = JSON.stringify(columns.map(({ name, type }) => [name, type]));
  const known = layouts.get(key);
  if (known) return known;
  const types = columns.map(({ type }) => literalType(type));
  if (!types.every((type) => type !== undefined)) return undefined;
  const schema = new Schema(types.map(({ arrow }, i) => new Field(columns[i]?.name ?? "", arrow, true)));
  const layout = { schema, bytes: encodeSchema(schema), readings: types.map(({ read }) => read) };
  layouts.set(key, layout);
  return layout;
}

/**
 * Rows of literals as the batch that DuckDB would make of them for these columns, without a query; undefined when one of
 * the values or types is beyond what is known here for certain.
 */
export function literalBatch(
  columns: readonly Column[],
  rows: ReadonlyArray<readonly Literal[]>,
): { readonly schema: Uint8Array; readonly frames: readonly Frame[] } | undefined {
  const layout = rows.every((row) => row.length === columns.length) ? layoutOf(columns) : undefined;
  if (!layout) return undefined;
  const values: unknown[][] = columns.map(() => []);
  for (const row of rows) {
    for (const [i, literal] of row.entries()) {
      const value = literal.kind === "null" ? null : layout.readings[i]?.(literal);
      if (value === undefined) return undefined;
      values[i]?.push(value);
    }
  }
  return { schema: layout.bytes, frames: encodeTable(layout.schema, values) };
}
