import { createHash } from "node:crypto";
import type { Connection } from "../duck/database.ts";
import { LAKE, qualifiedName, STATE_SCHEMA } from "../duck/sql.ts";

/**
 * Rows of one INSERT or UPDATE that stay in the catalog rather than become a Parquet file. A flush updates one
 * watermark row for each of its tables in one statement, so it must exceed the number of tables in a commit.
 */
const STATE_INLINING_ROWS = 10_000;

export function stateTable(name: string): string {
  return qualifiedName(LAKE, STATE_SCHEMA, name);
}

/** A table name for any text: itself when it is plain, else a hash, so that DuckLake's folder stays readable. */
export function stateName(prefix: string, text: string): string {
  const plain = /^[A-Za-z0-9_-]{1,64}$/.test(text);
  return `${prefix}_${plain ? text : createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/** Makes the state schema, the keys' mirror and the writer's watermark table; idempotent, and no snapshot when they exist. */
export async function createState(connection: Connection, watermarkTable: string): Promise<void> {
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${qualifiedName(LAKE, STATE_SCHEMA)}`);
  const options = await connection.rows(
    `SELECT value FROM ${LAKE}.options() WHERE option_name = 'data_inlining_row_limit' AND scope = 'SCHEMA' AND scope_entry = $1`,
    [STATE_SCHEMA],
  );
  if (options[0]?.["value"] !== String(STATE_INLINING_ROWS)) {
    await connection.run(
      `CALL ${LAKE}.set_option('data_inlining_row_limit', ${STATE_INLINING_ROWS}, schema => '${STATE_SCHEMA}')`,
    );
  }
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${stateTable("primary_keys")} (table_uuid VARCHAR, target VARCHAR, primary_key VARCHAR)`,
  );
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${watermarkTable} (target_schema VARCHAR, target_table VARCHAR, last_seq BIGINT)`,
  );
}
