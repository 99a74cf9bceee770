import { encodeTable } from "../arrow/values.ts";
import type { Frame } from "./backend.ts";
import { XDBC_TYPE_INFO_SCHEMA } from "./metadata-schemas.ts";

/** Type codes by FlightSql.proto's XdbcDataType, which are ODBC's. */
const BIT = -7;
const TINYINT = -6;
const BIGINT = -5;
const VARBINARY = -3;
const DECIMAL = 3;
const INTEGER = 4;
const SMALLINT = 5;
const REAL = 7;
const DOUBLE = 8;
const VARCHAR = 12;
const DATE = 91;
const TIME = 92;
const TIMESTAMP = 93;
/** SQL_DATETIME, the verbose type of the three above. */
const DATETIME = 9;

const NULLABLE = 1;
const SEARCHABLE_BASIC = 2;
const SEARCHABLE_FULL = 3;

interface TypeRow {
  readonly name: string;
  readonly code: number;
  /** Digits of numbers, characters of dates and texts; null: no bound. */
  readonly size: number | null;
  readonly quoted?: boolean;
  readonly parameters?: readonly string[];
  readonly unsigned?: boolean;
  readonly scale?: readonly [minimum: number, maximum: number];
  readonly radix?: number;
  readonly datetime?: number;
}

/** DuckDB's types, by data type and then by closeness to it, as ODBC orders them. */
const TYPES: readonly TypeRow[] = [
  { name: "BOOLEAN", code: BIT, size: 1 },
  { name: "TINYINT", code: TINYINT, size: 3, unsigned: false, radix: 10 },
  { name: "UTINYINT", code: TINYINT, size: 3, unsigned: true, radix: 10 },
  { name: "BIGINT", code: BIGINT, size: 19, unsigned: false, radix: 10 },
  { name: "UBIGINT", code: BIGINT, size: 20, unsigned: true, radix: 10 },
  { name: "BLOB", code: VARBINARY, size: null, quoted: true },
  {
    name: "DECIMAL",
    code: DECIMAL,
    size: 38,
    parameters: ["precision", "scale"],
    unsigned: false,
    scale: [0, 38],
    radix: 10,
  },
  { name: "INTEGER", code: INTEGER, size: 10, unsigned: false, radix: 10 },
  { name: "UINTEGER", code: INTEGER, size: 10, unsigned: true, radix: 10 },
  { name: "SMALLINT", code: SMALLINT, size: 5, unsigned: false, radix: 10 },
  { name: "USMALLINT", code: SMALLINT, size: 5, unsigned: true, radix: 10 },
  { name: "FLOAT", code: REAL, size: 24, unsigned: false, radix: 2 },
  { name: "DOUBLE", code: DOUBLE, size: 53, unsigned: false, radix: 2 },
  { name: "VARCHAR", code: VARCHAR, size: null, quoted: true, parameters: ["length"] },
  { name: "UUID", code: VARCHAR, size: 36, quoted: true },
  { name: "JSON", code: VARCHAR, size: null, quoted: true },
  { name: "DATE", code: DATE, size: 10, quoted: true, datetime: 1 },
  { name: "TIME", code: TIME, size: 15, quoted: true, scale: [6, 6], datetime: 2 },
  { name: "TIMESTAMP", code: TIMESTAMP, size: 26, quoted: true, scale: [6, 6], datetime: 3 },
  { name: "TIMESTAMP WITH TIME ZONE", code: TIMESTAMP, size: 32, quoted: true, scale: [6, 6], datetime: 5 },
];

type Cell = (row: TypeRow) => unknown;

/** In the order of the schema. */
const CELLS: readonly Cell[] = [
  (row) => row.name,
  (row) => row.code,
  (row) => row.size,
  (row) => (row.quoted ? "'" : null),
  (row) => (row.quoted ? "'" : null),
  (row) => row.parameters ?? null,
  () => NULLABLE,
  (row) => row.code === VARCHAR,
  (row) => (row.code === VARCHAR ? SEARCHABLE_FULL : SEARCHABLE_BASIC),
  (row) => row.unsigned ?? null,
  () => false,
  () => false,
  (row) => row.name,
  (row) => row.scale?.[0] ?? null,
  (row) => row.scale?.[1] ?? null,
  (row) => (row.datetime === undefined ? row.code : DATETIME),
  (row) => row.datetime ?? null,
  (row) => row.radix ?? null,
  () => null,
];

/** Rows of CommandGetXdbcTypeInfo; undefined: all types. */
export function xdbcTypeInfo(dataType: number | undefined): Frame[] {
  const rows = dataType === undefined ? TYPES : TYPES.filter((row) => row.code === dataType);
  return encodeTable(
    XDBC_TYPE_INFO_SCHEMA,
    CELLS.map((cell) => rows.map(cell)),
  );
}
