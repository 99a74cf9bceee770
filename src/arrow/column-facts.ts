import duckdb from "@duckdb/node-bindings";
import { Field } from "apache-arrow";
import { arrowFieldOf, type ResultTypeOptions } from "./duck-types.ts";

const { Type } = duckdb;

/**
 * What JDBC and ADBC show of a column beside its Arrow type: DuckDB's name of the type without its parameters, digits of
 * a number (bits of a float) or characters of a date, and digits behind the point.
 */
export interface ColumnFacts {
  readonly typeName: string;
  readonly precision?: number;
  readonly scale?: number;
}

type Row = readonly [name: string, precision?: number, scale?: number];

/** Names as DuckDB's catalog has them. */
const ROWS: Readonly<Partial<Record<duckdb.Type, Row>>> = {
  [Type.BOOLEAN]: ["BOOLEAN", 1],
  [Type.TINYINT]: ["TINYINT", 3, 0],
  [Type.SMALLINT]: ["SMALLINT", 5, 0],
  [Type.INTEGER]: ["INTEGER", 10, 0],
  [Type.BIGINT]: ["BIGINT", 19, 0],
  [Type.UTINYINT]: ["UTINYINT", 3, 0],
  [Type.USMALLINT]: ["USMALLINT", 5, 0],
  [Type.UINTEGER]: ["UINTEGER", 10, 0],
  [Type.UBIGINT]: ["UBIGINT", 20, 0],
  [Type.HUGEINT]: ["HUGEINT", 38, 0],
  [Type.UHUGEINT]: ["UHUGEINT", 38, 0],
  [Type.FLOAT]: ["FLOAT", 24],
  [Type.DOUBLE]: ["DOUBLE", 53],
  [Type.UUID]: ["UUID", 36],
  [Type.DATE]: ["DATE", 10],
  [Type.TIME]: ["TIME", 15, 6],
  [Type.TIME_NS]: ["TIME_NS", 18, 9],
  [Type.TIME_TZ]: ["TIME WITH TIME ZONE", 24, 6],
  [Type.TIMESTAMP]: ["TIMESTAMP", 26, 6],
  [Type.TIMESTAMP_S]: ["TIMESTAMP_S", 19, 0],
  [Type.TIMESTAMP_MS]: ["TIMESTAMP_MS", 23, 3],
  [Type.TIMESTAMP_NS]: ["TIMESTAMP_NS", 29, 9],
  [Type.TIMESTAMP_TZ]: ["TIMESTAMP WITH TIME ZONE", 32, 6],
  [Type.SQLNULL]: ["NULL"],
};

export function columnFacts(type: duckdb.LogicalType): ColumnFacts {
  const id = duckdb.get_type_id(type);
  if (id === Type.DECIMAL) {
    return { typeName: "DECIMAL", precision: duckdb.decimal_width(type), scale: duckdb.decimal_scale(type) };
  }
  return { typeName: nameOf(type) ?? Type[id] ?? "", ...sizesOf(ROWS[id]) };
}

function sizesOf(row: Row | undefined): { precision?: number; scale?: number } {
  const [, precision, scale] = row ?? [""];
  return { ...(precision === undefined ? {} : { precision }), ...(scale === undefined ? {} : { scale }) };
}

/** The alias first: JSON is a VARCHAR by another name. */
function nameOf(type: duckdb.LogicalType): string | undefined {
  const id = duckdb.get_type_id(type);
  const alias = duckdb.logical_type_get_alias(type);
  if (alias) return alias;
  if (id === Type.LIST) return `${nameOf(duckdb.list_type_child_type(type))}[]`;
  if (id === Type.ARRAY) return `${nameOf(duckdb.array_type_child_type(type))}[${duckdb.array_type_array_size(type)}]`;
  return ROWS[id]?.[0] ?? Type[id];
}

/** Keys of a field's metadata, as FlightSql.proto's comment on CommandGetTables lists them. */
export function columnMetadata(key: string): string {
  return `ARROW:FLIGHT:SQL:${key}`;
}

const TEXTS: ReadonlySet<number> = new Set([Type.VARCHAR, Type.ENUM]);
const NESTED: ReadonlySet<number> = new Set([Type.LIST, Type.ARRAY, Type.STRUCT, Type.MAP, Type.UNION]);

/** The Arrow field of a result or table column with its facts as metadata. Throws as `arrowFieldOf` does. */
export function describedFieldOf(
  name: string,
  type: duckdb.LogicalType,
  nullable: boolean,
  options: ResultTypeOptions = {},
): Field {
  const field = arrowFieldOf(name, type, nullable, options);
  const id = duckdb.get_type_id(type);
  const { typeName, precision, scale } = columnFacts(type);
  const metadata = new Map<string, string>([...field.metadata, [columnMetadata("TYPE_NAME"), typeName]]);
  if (precision !== undefined) metadata.set(columnMetadata("PRECISION"), String(precision));
  if (scale !== undefined) metadata.set(columnMetadata("SCALE"), String(scale));
  if (TEXTS.has(id)) metadata.set(columnMetadata("IS_CASE_SENSITIVE"), "1");
  if (!NESTED.has(id)) metadata.set(columnMetadata("IS_SEARCHABLE"), "1");
  return new Field(field.name, field.type, field.nullable, metadata);
}
