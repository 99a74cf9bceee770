import duckdb from "@duckdb/node-bindings";
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  IntervalMonthDayNano,
  List,
  Map_,
  Null,
  SparseUnion,
  Struct,
  TimeMicrosecond,
  TimeNanosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import { EiderError } from "../errors.ts";

export interface ResultTypeOptions {
  /**
   * Unsigned integers as the next wider signed type and UBIGINT as decimal128(20, 0), for clients that read unsigned
   * values as negative ones (Flight SQL JDBC). Default false.
   */
  readonly widenUnsigned?: boolean;
}

type TypeMaker = (type: duckdb.LogicalType, options: ResultTypeOptions, path: string) => DataType;

const { Type } = duckdb;

const refused =
  (name: string, advice: string): TypeMaker =>
  (_type, _options, path) => {
    throw new EiderError(
      "type_unsupported",
      `column "${path}" is of type ${name}, which Arrow clients cannot read: ${advice}`,
    );
  };

const unsigned =
  (plain: () => DataType, wide: () => DataType): TypeMaker =>
  (_type, options) =>
    options.widenUnsigned ? wide() : plain();

function members(
  count: number,
  name: (i: number) => string,
  type: (i: number) => duckdb.LogicalType,
  options: ResultTypeOptions,
  path: string,
): Field[] {
  return Array.from({ length: count }, (_, i) => fieldAt(name(i), type(i), true, options, `${path}.${name(i)}`));
}

/**
 * THE table of result types, by DuckDB's type number. Limited to what ADBC and Flight SQL JDBC 18 both read: no views, no
 * decimals other than decimal128, no extension types. What has no such Arrow type is text, as DuckDB prints it: UUID,
 * ENUM, BIT, TIME WITH TIME ZONE (Arrow's time has no offset). HUGEINT and UHUGEINT are decimals of 38 digits; values
 * beyond are an error of the query, never another number. A UNION is a sparse union; JDBC cannot read that.
 */
const ROWS: Readonly<Partial<Record<duckdb.Type, TypeMaker>>> = {
  [Type.BOOLEAN]: () => new Bool(),
  [Type.TINYINT]: () => new Int8(),
  [Type.SMALLINT]: () => new Int16(),
  [Type.INTEGER]: () => new Int32(),
  [Type.BIGINT]: () => new Int64(),
  [Type.UTINYINT]: unsigned(
    () => new Uint8(),
    () => new Int16(),
  ),
  [Type.USMALLINT]: unsigned(
    () => new Uint16(),
    () => new Int32(),
  ),
  [Type.UINTEGER]: unsigned(
    () => new Uint32(),
    () => new Int64(),
  ),
  [Type.UBIGINT]: unsigned(
    () => new Uint64(),
    () => new Decimal(0, 20, 128),
  ),
  [Type.HUGEINT]: () => new Decimal(0, 38, 128),
  [Type.UHUGEINT]: () => new Decimal(0, 38, 128),
  [Type.FLOAT]: () => new Float32(),
  [Type.DOUBLE]: () => new Float64(),
  [Type.DECIMAL]: (type) => new Decimal(duckdb.decimal_scale(type), duckdb.decimal_width(type), 128),
  [Type.VARCHAR]: () => new Utf8(),
  [Type.BLOB]: () => new Binary(),
  [Type.BIT]: () => new Utf8(),
  [Type.UUID]: () => new Utf8(),
  [Type.ENUM]: () => new Utf8(),
  [Type.DATE]: () => new DateDay(),
  [Type.TIME]: () => new TimeMicrosecond(),
  [Type.TIME_NS]: () => new TimeNanosecond(),
  [Type.TIME_TZ]: () => new Utf8(),
  [Type.TIMESTAMP]: () => new TimestampMicrosecond(),
  [Type.TIMESTAMP_S]: () => new TimestampSecond(),
  [Type.TIMESTAMP_MS]: () => new TimestampMillisecond(),
  [Type.TIMESTAMP_NS]: () => new TimestampNanosecond(),
  [Type.TIMESTAMP_TZ]: () => new TimestampMicrosecond("UTC"),
  [Type.INTERVAL]: () => new IntervalMonthDayNano(),
  [Type.SQLNULL]: () => new Null(),
  [Type.LIST]: (type, options, path) =>
    new List(fieldAt("item", duckdb.list_type_child_type(type), true, options, `${path}.item`)),
  [Type.ARRAY]: (type, options, path) =>
    new FixedSizeList(
      duckdb.array_type_array_size(type),
      fieldAt("item", duckdb.array_type_child_type(type), true, options, `${path}.item`),
    ),
  [Type.STRUCT]: (type, options, path) =>
    new Struct(
      members(
        duckdb.struct_type_child_count(type),
        (i) => duckdb.struct_type_child_name(type, i),
        (i) => duckdb.struct_type_child_type(type, i),
        options,
        path,
      ),
    ),
  [Type.MAP]: (type, options, path) => {
    const key = fieldAt("key", duckdb.map_type_key_type(type), false, options, `${path}.key`);
    const value = fieldAt("value", duckdb.map_type_value_type(type), true, options, `${path}.value`);
    return new Map_(new Field<Struct>("entries", new Struct([key, value] as Field[]), false));
  },
  [Type.UNION]: (type, options, path) => {
    const count = duckdb.union_type_member_count(type);
    const children = members(
      count,
      (i) => duckdb.union_type_member_name(type, i),
      (i) => duckdb.union_type_member_type(type, i),
      options,
      path,
    );
    return new SparseUnion(
      children.map((_, i) => i),
      children,
    );
  },
  [Type.BIGNUM]: refused("BIGNUM", "CAST it to VARCHAR"),
  [Type.GEOMETRY]: refused("GEOMETRY", "use ST_AsWKB or ST_AsText"),
  [Type.VARIANT]: refused("VARIANT", "CAST it to JSON or VARCHAR"),
};

/**
 * The Arrow field of a result column. `nullable` is the column's; nested members are always nullable, a map's key never.
 * Throws type_unsupported, naming the column, for types that no Arrow client reads.
 */
export function arrowFieldOf(
  name: string,
  type: duckdb.LogicalType,
  nullable: boolean,
  options: ResultTypeOptions = {},
): Field {
  return fieldAt(name, type, nullable, options, name);
}

function fieldAt(
  name: string,
  type: duckdb.LogicalType,
  nullable: boolean,
  options: ResultTypeOptions,
  path: string,
): Field {
  const id = duckdb.get_type_id(type);
  const row = ROWS[id];
  if (!row) {
    throw new EiderError(
      "type_unsupported",
      `column "${path}" is of type ${Type[id] ?? id}, which has no Arrow type; CAST it to VARCHAR`,
    );
  }
  return new Field(name, row(type, options, path), nullable);
}
