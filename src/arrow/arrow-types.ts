import {
  type DataType,
  type Date_,
  type Decimal,
  type Dictionary,
  type Duration,
  type Field,
  type FixedSizeBinary,
  type Float,
  type Int,
  type Interval,
  type Map_,
  type Struct,
  type Time,
  type Timestamp,
  Type,
} from "apache-arrow";
import { quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import {
  blobsOfFixed,
  type Converter,
  DURATIONS,
  datesOfMillis,
  floatsOfHalves,
  INTERVALS,
  TIMES,
  TIMESTAMP_TZ,
  uuidsOfBytes,
} from "./convert.ts";
import { decimalConverter, decimalShape, MAX_DECIMAL_DIGITS } from "./decimals.ts";
import { checkDates, checkStorableIntervals, TIMESTAMP_CHECKS } from "./ranges.ts";
import { NULL_TYPE } from "./type-text.ts";

/** How a type's buffers lie in a record batch (https://arrow.apache.org/docs/format/Columnar.html). */
export type Layout =
  | "null"
  | "bits"
  | "fixed"
  | "bytes"
  | "large-bytes"
  | "views"
  | "list"
  | "large-list"
  | "fixed-list"
  | "struct"
  | "dictionary";

export interface ArrowRow {
  readonly layout: Layout;
  /** The DuckDB SQL type; throws type_unsupported when there is none. `path` names the field. */
  readonly sql: (field: Field, path: string) => string;
  /** Bytes per value of the `fixed` layout. */
  readonly width?: (type: DataType) => number;
  /** From Arrow's representation of a `fixed` value to DuckDB's; undefined: they are the same. */
  readonly convert?: (field: Field) => Converter | undefined;
  /** Refuses values, in DuckDB's representation, that DuckDB cannot handle. */
  readonly check?: (type: DataType) => Converter | undefined;
  /** Refuses values that the lake cannot keep. */
  readonly checkStorable?: Converter;
  /** The bytes are text and must be valid UTF-8. */
  readonly isText?: boolean;
}

/** The canonical extension types that DuckDB has a type for; others are their storage type. */
const EXTENSION_NAME = "ARROW:extension:name";

function extensionOf(field: Field): string | undefined {
  return field.metadata.get(EXTENSION_NAME);
}

function isUuid(field: Field): boolean {
  return extensionOf(field) === "arrow.uuid" && (field.type as FixedSizeBinary).byteWidth === 16;
}

function refuse(path: string, arrowType: string, advice: string): EiderError {
  return new EiderError("type_unsupported", `column "${path}" is of the Arrow type ${arrowType}: ${advice}`);
}

const TIMESTAMPS = ["TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"] as const;
const FLOATS = ["FLOAT", "FLOAT", "DOUBLE"] as const;
const MICROSECONDS = 2;
const INTS: Readonly<Record<number, string>> = { 8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT" };

const text = (field: Field): string => (extensionOf(field) === "arrow.json" ? "JSON" : "VARCHAR");
const hasZone = (type: Timestamp): boolean => typeof type.timezone === "string" && type.timezone !== "";

function childSql(field: Field, path: string): string {
  const child = field.type.children[0] as Field;
  return duckTypeAt(child, `${path}.${child.name}`);
}

function decimalSql(type: Decimal, path: string): string {
  const shape = decimalShape(type.precision, type.scale);
  if (!shape) {
    const name = `decimal${type.bitWidth}(${type.precision}, ${type.scale})`;
    throw refuse(path, name, `DuckDB's DECIMAL has at most ${MAX_DECIMAL_DIGITS} digits; send it as text or double`);
  }
  return `DECIMAL(${shape.width},${shape.scale})`;
}

function structSql(type: Struct, path: string): string {
  if (type.children.length === 0) throw refuse(path, "struct<>", "a struct needs at least one member");
  const names = new Set<string>();
  const members = type.children.map((child: Field) => {
    const key = child.name.toLowerCase();
    if (key === "" || names.has(key)) {
      const what = key === "" ? "a member without a name" : `two members called "${child.name}" (names ignore case)`;
      throw refuse(path, "struct", `it has ${what}; rename them`);
    }
    names.add(key);
    return `${quoteIdentifier(child.name)} ${duckTypeAt(child, `${path}.${child.name}`)}`;
  });
  return `STRUCT(${members.join(", ")})`;
}

function mapSql(type: Map_, path: string): string {
  const [key, value] = (type.children[0] as Field).type.children as Field[];
  if (!key || !value) throw refuse(path, "map", "it needs a key and a value");
  return `MAP(${duckTypeAt(key, `${path}.key`)}, ${duckTypeAt(value, `${path}.value`)})`;
}

/** THE table of Arrow types that Eider takes in, by apache-arrow's type number; a type that is not here is refused. */
const ROWS: Readonly<Partial<Record<Type, ArrowRow>>> = {
  [Type.Null]: { layout: "null", sql: () => NULL_TYPE },
  [Type.Bool]: { layout: "bits", sql: () => "BOOLEAN" },
  [Type.Int]: {
    layout: "fixed",
    sql: ({ type }: Field<Int>) => `${type.isSigned ? "" : "U"}${INTS[type.bitWidth]}`,
    width: (type) => (type as Int).bitWidth / 8,
  },
  [Type.Float]: {
    layout: "fixed",
    sql: ({ type }: Field<Float>) => FLOATS[type.precision],
    width: (type) => 2 << (type as Float).precision,
    convert: ({ type }: Field<Float>) => (type.precision === 0 ? floatsOfHalves : undefined),
  },
  [Type.Decimal]: {
    layout: "fixed",
    sql: ({ type }: Field<Decimal>, path) => decimalSql(type, path),
    width: (type) => (type as Decimal).bitWidth / 8,
    convert: ({ type }: Field<Decimal>) => decimalConverter(type.bitWidth, type.precision, type.scale),
  },
  [Type.Date]: {
    layout: "fixed",
    sql: () => "DATE",
    width: (type) => ((type as Date_).unit === 0 ? 4 : 8),
    convert: ({ type }: Field<Date_>) => (type.unit === 0 ? undefined : datesOfMillis),
    check: () => checkDates,
  },
  [Type.Time]: {
    layout: "fixed",
    sql: () => "TIME",
    width: (type) => (type as Time).bitWidth / 8,
    convert: ({ type }: Field<Time>) => TIMES[type.unit],
  },
  [Type.Timestamp]: {
    layout: "fixed",
    sql: ({ type }: Field<Timestamp>) => (hasZone(type) ? "TIMESTAMP WITH TIME ZONE" : TIMESTAMPS[type.unit]),
    width: () => 8,
    convert: ({ type }: Field<Timestamp>) => (hasZone(type) ? TIMESTAMP_TZ[type.unit] : undefined),
    check: (type) => TIMESTAMP_CHECKS[hasZone(type as Timestamp) ? MICROSECONDS : (type as Timestamp).unit],
  },
  [Type.Interval]: {
    layout: "fixed",
    sql: () => "INTERVAL",
    width: (type) => [4, 8, 16][(type as Interval).unit] ?? 0,
    convert: ({ type }: Field<Interval>) => INTERVALS[type.unit],
    checkStorable: checkStorableIntervals,
  },
  [Type.Duration]: {
    layout: "fixed",
    sql: () => "INTERVAL",
    width: () => 8,
    convert: ({ type }: Field<Duration>) => DURATIONS[type.unit],
    checkStorable: checkStorableIntervals,
  },
  [Type.FixedSizeBinary]: {
    layout: "fixed",
    sql: (field) => (isUuid(field) ? "UUID" : "BLOB"),
    width: (type) => (type as FixedSizeBinary).byteWidth,
    convert: (field) => (isUuid(field) ? uuidsOfBytes : blobsOfFixed),
  },
  [Type.Utf8]: { layout: "bytes", sql: text, isText: true },
  [Type.LargeUtf8]: { layout: "large-bytes", sql: text, isText: true },
  [Type.Utf8View]: { layout: "views", sql: text, isText: true },
  [Type.Binary]: { layout: "bytes", sql: () => "BLOB" },
  [Type.LargeBinary]: { layout: "large-bytes", sql: () => "BLOB" },
  [Type.BinaryView]: { layout: "views", sql: () => "BLOB" },
  [Type.List]: { layout: "list", sql: (field, path) => `${childSql(field, path)}[]` },
  [Type.LargeList]: { layout: "large-list", sql: (field, path) => `${childSql(field, path)}[]` },
  [Type.FixedSizeList]: { layout: "fixed-list", sql: (field, path) => `${childSql(field, path)}[]` },
  [Type.Struct]: { layout: "struct", sql: ({ type }: Field<Struct>, path) => structSql(type, path) },
  [Type.Map]: { layout: "list", sql: ({ type }: Field<Map_>, path) => mapSql(type, path) },
  [Type.Dictionary]: {
    layout: "dictionary",
    sql: (field: Field<Dictionary>, path) => duckTypeAt(valueFieldOf(field), path),
  },
} as Readonly<Partial<Record<Type, ArrowRow>>>;

/** The field of a dictionary's values: same name and metadata, so that an extension type applies to them. */
export function valueFieldOf(field: Field): Field {
  return field.clone({ type: (field.type as Dictionary).dictionary });
}

export function arrowRowOf(field: Field, path: string): ArrowRow {
  const row = ROWS[field.typeId as Type];
  if (!row)
    throw refuse(path, String(field.type), "DuckDB's lake has no such type; send its members as columns or as text");
  return row;
}

export function duckTypeAt(field: Field, path: string): string {
  return arrowRowOf(field, path).sql(field, path);
}
