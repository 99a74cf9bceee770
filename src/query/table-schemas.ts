import duckdb from "@duckdb/node-bindings";
import { Field, Schema, Utf8 } from "apache-arrow";
import { encapsulate, encodeSchema } from "../arrow/schema.ts";
import { columnMetadata, describedFieldOf, type ResultTypeOptions } from "../arrow/types.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";

/**
 * Arrow schemas of many tables, as `table_schema` of CommandGetTables wants them: encapsulated schema messages. The types
 * come from one prepared statement over all distinct column types; a statement per table would be slow with many.
 */
export async function tableSchemas(
  connection: Connection,
  tables: ReadonlyArray<Record<string, unknown>>,
  resultTypes: ResultTypeOptions = {},
): Promise<Uint8Array[]> {
  const columns = await connection.rows(
    `SELECT database_name, schema_name, table_name, column_name, data_type, is_nullable, comment
       FROM duckdb_columns() WHERE database_name IN ('${LAKE}', 'temp') ORDER BY database_name, schema_name, table_name, column_index`,
  );
  const types = await logicalTypes(connection, [...new Set(columns.map((column) => String(column["data_type"])))]);
  const keyOf = (catalog: unknown, schema: unknown, table: unknown) => JSON.stringify([catalog, schema, table]);
  const fieldsOf = new Map<string, Field[]>();
  for (const column of columns) {
    const key = keyOf(column["database_name"], column["schema_name"], column["table_name"]);
    const type = types.get(String(column["data_type"]));
    const field = fieldOf(String(column["column_name"]), type, column["is_nullable"] === true, resultTypes);
    const metadata = new Map<string, string>([
      [columnMetadata("TYPE_NAME"), plainName(String(column["data_type"]))],
      ...field.metadata,
      [columnMetadata("CATALOG_NAME"), String(column["database_name"])],
      // By FlightSql.proto, and by Java's, C++'s and Go's libraries.
      [columnMetadata("DB_SCHEMA_NAME"), String(column["schema_name"])],
      [columnMetadata("SCHEMA_NAME"), String(column["schema_name"])],
      [columnMetadata("TABLE_NAME"), String(column["table_name"])],
      ...(column["comment"] == null ? [] : [[columnMetadata("REMARKS"), String(column["comment"])] as const]),
    ]);
    const fields = fieldsOf.get(key) ?? [];
    fieldsOf.set(key, fields);
    fields.push(new Field(field.name, field.type, field.nullable, metadata));
  }
  return tables.map((table) => {
    const key = keyOf(table["catalog_name"], table["db_schema_name"], table["table_name"]);
    return encapsulate(encodeSchema(new Schema(fieldsOf.get(key) ?? [])));
  });
}

/** The type's name without its parameters, for types that have no Arrow type. */
function plainName(type: string): string {
  return type.replace(/\(.*\)/s, "");
}

/**
 * A column that no client can read as it is (VARIANT, GEOMETRY) is announced as the text that it can be cast to: one such
 * column must not hide all other tables. The metadata keep its type's name.
 */
function fieldOf(
  name: string,
  type: duckdb.LogicalType | undefined,
  nullable: boolean,
  resultTypes: ResultTypeOptions,
): Field {
  const asText = new Field(name, new Utf8(), nullable);
  if (!type) return asText;
  try {
    return describedFieldOf(name, type, nullable, resultTypes);
  } catch (error) {
    if (error instanceof EiderError && error.code === "type_unsupported") return asText;
    throw error;
  }
}

/** Type texts come from DuckDB's own catalog. One that names a type of another schema cannot be read back: it is left out. */
export async function logicalTypes(
  connection: Connection,
  types: readonly string[],
): Promise<Map<string, duckdb.LogicalType>> {
  if (types.length === 0) return new Map();
  try {
    return await castTypes(connection, types);
  } catch {
    if (types.length === 1) return new Map();
    const parts: Array<[string, duckdb.LogicalType]> = [];
    for (const type of types) parts.push(...(await logicalTypes(connection, [type])));
    return new Map(parts);
  }
}

async function castTypes(connection: Connection, types: readonly string[]): Promise<Map<string, duckdb.LogicalType>> {
  const statement = await duckdb.prepare(
    connection.handle,
    `SELECT ${types.map((type) => `CAST(NULL AS ${type})`).join(", ")}`,
  );
  try {
    return new Map(types.map((type, i) => [type, duckdb.prepared_statement_column_logical_type(statement, i)]));
  } finally {
    duckdb.destroy_prepare_sync(statement);
  }
}
