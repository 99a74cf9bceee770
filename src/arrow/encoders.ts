import duckdb from "@duckdb/node-bindings";
import { must } from "../base/assert.ts";
import { decimalBytes } from "./decimals.ts";
import { BytesEncoder, FormattedEncoder } from "./encode-bytes.ts";
import {
  BooleanEncoder,
  beyond,
  type ColumnEncoder,
  ConvertEncoder,
  CopyEncoder,
  NullEncoder,
  type ValueWriter,
} from "./encode-column.ts";
import { ArrayEncoder, ListEncoder, StructEncoder, UnionEncoder } from "./encode-nested.ts";
import { bitTexts, enumTexts, timeTzTexts, uuidTexts } from "./formats.ts";

const { Type } = duckdb;

type EncoderMaker = (type: duckdb.LogicalType, path: string, widenUnsigned: boolean) => ColumnEncoder;

const copy = (width: number) => () => new CopyEncoder(width);

const widened =
  (width: number, wide: number, write: ValueWriter): EncoderMaker =>
  (_type, _path, widenUnsigned) =>
    widenUnsigned ? new ConvertEncoder(width, wide, write) : new CopyEncoder(width);

/** Arrow's decimal128 from a DECIMAL of 2, 4 or 8 bytes. */
const WIDEN_DECIMAL: Readonly<Record<number, ValueWriter>> = {
  2: (source, row, target, at) => writeSigned(target, at, source.getInt16(2 * row, true)),
  4: (source, row, target, at) => writeSigned(target, at, source.getInt32(4 * row, true)),
  8: (source, row, target, at) => {
    const high = source.getInt32(8 * row + 4, true);
    target.setInt32(at, source.getInt32(8 * row, true), true);
    target.setInt32(at + 4, high, true);
    target.setInt32(at + 8, high >> 31, true);
    target.setInt32(at + 12, high >> 31, true);
  },
};

function writeSigned(target: DataView, at: number, value: number): void {
  target.setInt32(at, value, true);
  target.setInt32(at + 4, value >> 31, true);
  target.setInt32(at + 8, value >> 31, true);
  target.setInt32(at + 12, value >> 31, true);
}

const DECIMAL_BOUND = 10n ** 38n;

const hugeint =
  (isSigned: boolean): EncoderMaker =>
  (_type, path) =>
    new ConvertEncoder(16, 16, (source, row, target, at) => {
      const low = source.getBigUint64(16 * row, true);
      const high = isSigned ? source.getBigInt64(16 * row + 8, true) : source.getBigUint64(16 * row + 8, true);
      const value = (high << 64n) | low;
      if (value >= DECIMAL_BOUND || value <= -DECIMAL_BOUND) {
        throw beyond(path, value, "decimal128(38, 0)", "CAST the column to VARCHAR or DOUBLE");
      }
      target.setBigUint64(at, low, true);
      target.setBigUint64(at + 8, BigInt.asUintN(64, high), true);
    });

/** DuckDB's microseconds become nanoseconds, which reach 292 years. */
const interval: EncoderMaker = (_type, path) =>
  new ConvertEncoder(16, 16, (source, row, target, at) => {
    const micros = source.getBigInt64(16 * row + 8, true);
    const nanos = micros * 1000n;
    if (BigInt.asIntN(64, nanos) !== nanos) {
      throw beyond(
        path,
        `an interval of ${micros} microseconds`,
        "month_day_nano interval",
        "CAST the column to VARCHAR",
      );
    }
    target.setInt32(at, source.getInt32(16 * row, true), true);
    target.setInt32(at + 4, source.getInt32(16 * row + 4, true), true);
    target.setBigInt64(at + 8, nanos, true);
  });

/** By DuckDB's type number; the Arrow types are those of duck-types.ts. */
const ROWS: Readonly<Partial<Record<duckdb.Type, EncoderMaker>>> = {
  [Type.BOOLEAN]: () => new BooleanEncoder(),
  [Type.TINYINT]: copy(1),
  [Type.SMALLINT]: copy(2),
  [Type.INTEGER]: copy(4),
  [Type.BIGINT]: copy(8),
  [Type.UTINYINT]: widened(1, 2, (source, row, target, at) => target.setInt16(at, source.getUint8(row), true)),
  [Type.USMALLINT]: widened(2, 4, (source, row, target, at) =>
    target.setInt32(at, source.getUint16(2 * row, true), true),
  ),
  [Type.UINTEGER]: widened(4, 8, (source, row, target, at) => {
    target.setUint32(at, source.getUint32(4 * row, true), true);
    target.setUint32(at + 4, 0, true);
  }),
  [Type.UBIGINT]: widened(8, 16, (source, row, target, at) => {
    target.setBigUint64(at, source.getBigUint64(8 * row, true), true);
    target.setBigUint64(at + 8, 0n, true);
  }),
  [Type.HUGEINT]: hugeint(true),
  [Type.UHUGEINT]: hugeint(false),
  [Type.FLOAT]: copy(4),
  [Type.DOUBLE]: copy(8),
  [Type.DECIMAL]: (type) => {
    const bytes = decimalBytes(duckdb.decimal_width(type));
    const write = WIDEN_DECIMAL[bytes];
    return write ? new ConvertEncoder(bytes, 16, write) : new CopyEncoder(16);
  },
  [Type.VARCHAR]: () => new BytesEncoder(),
  [Type.BLOB]: () => new BytesEncoder(),
  [Type.BIT]: () => new FormattedEncoder(bitTexts),
  [Type.UUID]: () => new FormattedEncoder(uuidTexts),
  [Type.ENUM]: (type) => new FormattedEncoder(enumTexts(type)),
  [Type.TIME_TZ]: () => new FormattedEncoder(timeTzTexts),
  [Type.DATE]: copy(4),
  [Type.TIME]: copy(8),
  [Type.TIME_NS]: copy(8),
  [Type.TIMESTAMP]: copy(8),
  [Type.TIMESTAMP_S]: copy(8),
  [Type.TIMESTAMP_MS]: copy(8),
  [Type.TIMESTAMP_NS]: copy(8),
  [Type.TIMESTAMP_TZ]: copy(8),
  [Type.INTERVAL]: interval,
  [Type.SQLNULL]: () => new NullEncoder(),
  [Type.LIST]: (type, path, widen) => new ListEncoder(encoderOf(duckdb.list_type_child_type(type), path, widen)),
  [Type.ARRAY]: (type, path, widen) =>
    new ArrayEncoder(encoderOf(duckdb.array_type_child_type(type), path, widen), duckdb.array_type_array_size(type)),
  [Type.STRUCT]: (type, path, widen) =>
    new StructEncoder(
      Array.from({ length: duckdb.struct_type_child_count(type) }, (_, i) =>
        encoderOf(duckdb.struct_type_child_type(type, i), `${path}.${duckdb.struct_type_child_name(type, i)}`, widen),
      ),
    ),
  [Type.MAP]: (type, path, widen) =>
    new ListEncoder(
      new StructEncoder([
        encoderOf(duckdb.map_type_key_type(type), `${path}.key`, widen),
        encoderOf(duckdb.map_type_value_type(type), `${path}.value`, widen),
      ]),
    ),
  [Type.UNION]: (type, path, widen) =>
    new UnionEncoder(
      Array.from({ length: duckdb.union_type_member_count(type) }, (_, i) =>
        encoderOf(duckdb.union_type_member_type(type, i), `${path}.${duckdb.union_type_member_name(type, i)}`, widen),
      ),
    ),
};

/** The encoder of a result column; `arrowFieldOf` has refused types that have none. */
export function encoderOf(type: duckdb.LogicalType, path: string, widenUnsigned: boolean): ColumnEncoder {
  const id = duckdb.get_type_id(type);
  return must(ROWS[id], `an encoder for DuckDB type ${Type[id] ?? id}`)(type, path, widenUnsigned);
}
