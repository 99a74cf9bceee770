import type { TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { keyOfComment } from "./keys.ts";
import { defaultOf } from "./table-detail.ts";

/** The table as the connection's open transaction sees it, with what the transaction itself has made and not committed. */
export async function describeVisible(connection: Connection, target: Target): Promise<TableShape | undefined> {
  const names = { schema: target.schema, table: target.table };
  const where = `database_name = '${LAKE}' AND lower(schema_name) = lower($schema) AND lower(table_name) = lower($table)`;
  const [table] = await connection.rows(
    `SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE ${where}`,
    names,
  );
  if (!table) return undefined;
  const columns = await connection.rows(
    `SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns() WHERE ${where} ORDER BY column_index`,
    names,
  );
  const comment = table["comment"];
  return {
    target: { schema: String(table["schema_name"]), table: String(table["table_name"]) },
    columns: columns.map((column) => ({
      name: String(column["column_name"]),
      type: String(column["data_type"]),
      nullable: column["is_nullable"] === true,
      ...defaultOf(column["column_default"]),
    })),
    primaryKey: typeof comment === "string" ? (keyOfComment(comment) ?? []) : [],
  };
}
