import duckdb from "@duckdb/node-bindings";
import { DataType, type Field, TimeUnit } from "apache-arrow";
import { must } from "../base/assert.ts";
import { type ColumnView, isNull } from "./column-view.ts";
import { logicalTypeOf } from "./logical-type.ts";
import { duckTypeOf } from "./types.ts";

export { encodeTable } from "./encode-table.ts";

const { Type } = duckdb;

type CellReader = (data: DataView, at: number, type: duckdb.LogicalType) => duckdb.Value;

/** Values of the `fixed` kind, in DuckDB's representation. */
const FIXED: Readonly<Partial<Record<duckdb.Type, CellReader>>> = {
  [Type.TINYINT]: (data, at) => duckdb.create_int8(data.getInt8(at)),
  [Type.SMALLINT]: (data, at) => duckdb.create_int16(data.getInt16(at, true)),
  [Type.INTEGER]: (data, at) => duckdb.create_int32(data.getInt32(at, true)),
  [Type.BIGINT]: (data, at) => duckdb.create_int64(data.getBigInt64(at, true)),
  [Type.UTINYINT]: (data, at) => duckdb.create_uint8(data.getUint8(at)),
  [Type.USMALLINT]: (data, at) => duckdb.create_uint16(data.getUint16(at, true)),
  [Type.UINTEGER]: (data, at) => duckdb.create_uint32(data.getUint32(at, true)),
  [Type.UBIGINT]: (data, at) => duckdb.create_uint64(data.getBigUint64(at, true)),
  [Type.FLOAT]: (data, at) => duckdb.create_float(data.getFloat32(at, true)),
  [Type.DOUBLE]: (data, at) => duckdb.create_double(data.getFloat64(at, true)),
  [Type.DECIMAL]: (data, at, type) => duckdb.create_decimal(decimalAt(data, at, type)),
  [Type.DATE]: (data, at) => duckdb.create_date({ days: data.getInt32(at, true) }),
  [Type.TIME]: (data, at) => duckdb.create_time({ micros: data.getBigInt64(at, true) }),
  [Type.TIMESTAMP]: (data, at) => duckdb.create_timestamp({ micros: data.getBigInt64(at, true) }),
  [Type.TIMESTAMP_S]: (data, at) => duckdb.create_timestamp_s({ seconds: data.getBigInt64(at, true) }),
  [Type.TIMESTAMP_MS]: (data, at) => duckdb.create_timestamp_ms({ millis: data.getBigInt64(at, true) }),
  [Type.TIMESTAMP_NS]: (data, at) => duckdb.create_timestamp_ns({ nanos: data.getBigInt64(at, true) }),
  [Type.TIMESTAMP_TZ]: (data, at) => duckdb.create_timestamp_tz({ micros: data.getBigInt64(at, true) }),
  [Type.INTERVAL]: (data, at) =>
    duckdb.create_interval({
      months: data.getInt32(at, true),
      days: data.getInt32(at + 4, true),
      micros: data.getBigInt64(at + 8, true),
    }),
  // The binding takes the UUID's own 128 bits, without the flipped top bit of DuckDB's storage.
  [Type.UUID]: (data, at) =>
    duckdb.create_uuid(((data.getBigUint64(at + 8, true) ^ (1n << 63n)) << 64n) | data.getBigUint64(at, true)),
};

function decimalAt(data: DataView, at: number, type: duckdb.LogicalType): duckdb.Decimal {
  const width = duckdb.decimal_width(type);
  const scale = duckdb.decimal_scale(type);
  const internal = duckdb.decimal_internal_type(type);
  if (internal === Type.SMALLINT) return { width, scale, value: BigInt(data.getInt16(at, true)) };
  if (internal === Type.INTEGER) return { width, scale, value: BigInt(data.getInt32(at, true)) };
  if (internal === Type.BIGINT) return { width, scale, value: data.getBigInt64(at, true) };
  return { width, scale, value: (data.getBigInt64(at + 8, true) << 64n) | data.getBigUint64(at, true) };
}

interface CellType {
  readonly type: duckdb.LogicalType;
  readonly none: duckdb.Value;
}

const types = new WeakMap<Field, CellType>();

function cellTypeOf(field: Field): CellType {
  const known = types.get(field);
  if (known) return known;
  const type = logicalTypeOf(duckTypeOf(field));
  const cellType = { type, none: DataType.isNull(field.type) ? duckdb.create_null_value() : nullOf(type) };
  types.set(field, cellType);
  return cellType;
}

/** DuckDB's API makes only untyped NULLs, but gives a type to a list's elements. JSON's is VARCHAR, as its values bind. */
function nullOf(aliased: duckdb.LogicalType): duckdb.Value {
  const isAlias = duckdb.logical_type_get_alias(aliased) !== null;
  const type = isAlias ? duckdb.create_logical_type(duckdb.get_type_id(aliased)) : aliased;
  return duckdb.get_list_child(duckdb.create_list_value(type, [duckdb.create_null_value()]), 0);
}

/**
 * One cell as a DuckDB value, for a statement's parameter: of the type that `duckTypeOf` gives the field. A NULL has that
 * type, too: `SELECT ?` must answer with the same schema for every row that is bound. Arrow's null type is DuckDB's NULL.
 * `target`: the parameter as the statement has it.
 */
export function cellValue(column: ColumnView, field: Field, row: number, target?: Field): duckdb.Value {
  const micros = target && microsFor(field.type, target.type);
  const { type, none } = micros ? MICROSECONDS : cellTypeOf(field);
  if (isNull(column, row)) return none;
  if (!micros) return valueAt(column, type, row);
  const { data, width } = column;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return duckdb.create_timestamp({ micros: micros(view.getBigInt64(row * width, true)) });
}

const MICROSECONDS: CellType = (() => {
  const type = duckdb.create_logical_type(Type.TIMESTAMP);
  return { type, none: nullOf(type) };
})();

const INFINITY = 2n ** 63n - 1n;

/** From milliseconds and nanoseconds since 1970, rounded down. DuckDB's infinities are the same number in all units. */
const MICROS_OF: Readonly<Partial<Record<TimeUnit, (value: bigint) => bigint>>> = {
  [TimeUnit.MILLISECOND]: (value) => (value === INFINITY || value === -INFINITY ? value : value * 1000n),
  [TimeUnit.NANOSECOND]: (value) => (value === INFINITY || value === -INFINITY ? value : floorOf(value, 1000n)),
};

function floorOf(value: bigint, divisor: bigint): bigint {
  return (value - (((value % divisor) + divisor) % divisor)) / divisor;
}

/**
 * DuckDB 1.5.5 casts timestamps of any unit to microseconds, and only microseconds to coarser units: a value for such a
 * target is made of microseconds here, and is then DuckDB's to cut. Undefined: it can go as it is.
 */
function microsFor(type: DataType, target: DataType): ((value: bigint) => bigint) | undefined {
  if (!DataType.isTimestamp(type) || !DataType.isTimestamp(target) || type.timezone || target.timezone)
    return undefined;
  return target.unit < type.unit && target.unit !== TimeUnit.MICROSECOND ? MICROS_OF[type.unit] : undefined;
}

function valueAt(column: ColumnView, type: duckdb.LogicalType, row: number): duckdb.Value {
  if (isNull(column, row)) return duckdb.create_null_value();
  const { data, offsets, children } = column;
  const id = duckdb.get_type_id(type);
  if (column.kind === "bits") return duckdb.create_bool((((data[row >> 3] ?? 0) >> (row & 7)) & 1) === 1);
  if (column.kind === "bytes") {
    const bytes = data.subarray(offsets[row], offsets[row + 1]);
    return id === Type.BLOB ? duckdb.create_blob(bytes) : duckdb.create_varchar(Buffer.from(bytes).toString("utf8"));
  }
  if (column.kind === "struct") {
    const values = children.map((child, i) => valueAt(child, duckdb.struct_type_child_type(type, i), row));
    return duckdb.create_struct_value(type, values);
  }
  if (column.kind === "fixed") {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    return must(FIXED[id], `a reader for DuckDB type ${id}`)(view, row * column.width, type);
  }
  const child = must(children[0], "a list's child");
  const rows = Array.from({ length: (offsets[row + 1] ?? 0) - (offsets[row] ?? 0) }, (_, i) => (offsets[row] ?? 0) + i);
  if (id === Type.MAP) {
    const [keys, values] = [must(child.children[0], "a map's keys"), must(child.children[1], "a map's values")];
    return duckdb.create_map_value(
      type,
      rows.map((i) => valueAt(keys, duckdb.map_type_key_type(type), i)),
      rows.map((i) => valueAt(values, duckdb.map_type_value_type(type), i)),
    );
  }
  const element = duckdb.list_type_child_type(type);
  return duckdb.create_list_value(
    element,
    rows.map((i) => valueAt(child, element, i)),
  );
}
