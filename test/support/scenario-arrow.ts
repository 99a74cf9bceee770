import { type DuckDBType, DuckDBTypeId } from "@duckdb/node-api";
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  Null,
  RecordBatchReader,
  RecordBatchStreamWriter,
  Schema,
  Table,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { encapsulate } from "../../src/arrow/schema.ts";
import type { Frame } from "../../src/flight/backend.ts";
import { splitStream } from "../../src/flight/message.ts";

/** Rows as JavaScript values ⇄ Arrow messages, by apache-arrow alone: slow, and independent of Eider's own conversion. */

const ARROW_OF: Partial<Record<DuckDBTypeId, DataType>> = {
  [DuckDBTypeId.BOOLEAN]: new Bool(),
  [DuckDBTypeId.TINYINT]: new Int8(),
  [DuckDBTypeId.SMALLINT]: new Int16(),
  [DuckDBTypeId.INTEGER]: new Int32(),
  [DuckDBTypeId.BIGINT]: new Int64(),
  [DuckDBTypeId.FLOAT]: new Float32(),
  [DuckDBTypeId.DOUBLE]: new Float64(),
  [DuckDBTypeId.VARCHAR]: new Utf8(),
  [DuckDBTypeId.BLOB]: new Binary(),
  [DuckDBTypeId.DATE]: new DateDay(),
  [DuckDBTypeId.TIMESTAMP]: new TimestampMicrosecond(),
  [DuckDBTypeId.SQLNULL]: new Null(),
};

export function arrowType(type: DuckDBType | undefined): DataType {
  if (!type) return new Null();
  return ARROW_OF[type.typeId] ?? new Utf8();
}

/** SQL type for an Arrow column that is ingested. */
export function sqlType(type: DataType): string {
  for (const [id, arrow] of Object.entries(ARROW_OF)) {
    if (String(arrow) === String(type)) return DuckDBTypeId[Number(id)] ?? "VARCHAR";
  }
  return "VARCHAR";
}

export function schemaOf(names: readonly string[], types: readonly DataType[]): Schema {
  return new Schema(names.map((name, index) => new Field(name, types[index] ?? new Null(), true)));
}

/** Batches of exactly this schema; none for no rows. */
export function framesOfColumns(schema: Schema, columns: readonly (readonly unknown[])[]): Frame[] {
  if ((columns[0]?.length ?? 0) === 0) return [];
  const vectors = Object.fromEntries(
    schema.fields.map((field, index) => [field.name, vectorFromArray(columns[index] ?? [], field.type)]),
  );
  const table = new Table(schema, vectors);
  const stream = RecordBatchStreamWriter.writeAll(table).toUint8Array(true);
  return splitStream(stream).slice(1);
}

/** The rows of an IPC stream, as objects by column name. */
export function rowsOfFrames(schema: Uint8Array, frames: readonly Frame[]): Array<Record<string, unknown>> {
  const parts = [encapsulate(schema), ...frames.flatMap(({ header, body }) => [encapsulate(header), body])];
  const rows: Array<Record<string, unknown>> = [];
  for (const batch of RecordBatchReader.from(Buffer.concat(parts))) {
    for (const row of batch) rows.push(row?.toJSON() ?? {});
  }
  return rows;
}
