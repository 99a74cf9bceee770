import { randomUUID } from "node:crypto";
import { type Connection, withConnection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { messageOf } from "../errors.ts";
import { stateTable } from "./state.ts";
import type { Log } from "./types.ts";

/** A number for all columns of the lake as the transaction sees them, by table, name and type. */
export async function columnsHash(connection: Connection): Promise<unknown> {
  const [row] = await connection.rows(
    `SELECT bit_xor(hash(table_oid, column_name, data_type)) AS columns FROM duckdb_columns() WHERE database_name = '${LAKE}'`,
  );
  return row?.["columns"];
}

/** What DuckLake says when it meets statistics of a column's old type. */
export function isOfOldStatistics(error: unknown): boolean {
  return /SetMin or SetMax called with Value that does not match/.test(messageOf(error));
}

/**
 * After such an error: another tool has changed a column's type on this lake, and no file has been added since. What has
 * failed can be tried again then.
 */
export async function renewNow(connect: () => Promise<Connection>, log: Log): Promise<void> {
  try {
    await withConnection(connect, (connection) => connection.transaction(() => renewStatistics(connection)));
    log.warn({}, "another tool has changed a column's type: the lake's statistics are loaded anew");
  } catch (error) {
    log.error({ error: messageOf(error) }, "the statistics of a changed column could not be loaded anew");
  }
}

/**
 * Within the transaction that has changed a column's type: has every process load the tables' statistics anew.
 * DuckLake 1.5.5 keeps them for as long as the snapshots' `next_file_id` stays, with the types that the columns had then.
 * A filter on a widened column then fails ("SetMin or SetMax called with Value that does not match"), in queries and in
 * the flush of a keyed table, which so would never add the file that ends it. An inlined row takes a number of a file,
 * also when it is deleted at once; the delete meets no other transaction's row.
 */
export async function renewStatistics(connection: Connection): Promise<void> {
  const table = stateTable("primary_keys");
  const row = [randomUUID()];
  await connection.run(`INSERT INTO ${table} (table_uuid) VALUES ($1)`, row);
  await connection.run(`DELETE FROM ${table} WHERE table_uuid = $1`, row);
}
