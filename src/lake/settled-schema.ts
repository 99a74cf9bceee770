import type { Connection } from "../duck/database.ts";
import { LAKE, STATE_SCHEMA } from "../duck/sql.ts";

/**
 * To be called in a transaction of several statements before each that defines tables. DuckLake 1.5.5 keeps a version of
 * the schema once for all; a transaction refers to it by address, and holds it for the length of a statement only. Where
 * two connections load one version at the same time, the second takes the place of the first, whose memory the
 * transaction's next statement or COMMIT reads after it was freed (https://github.com/duckdb/ducklake/issues/1248). So it
 * is loaded here, for the transaction's own snapshot, and whoever may have begun to load it before is waited for; who
 * comes later finds it.
 */
export async function settleSchema(connection: Connection): Promise<void> {
  await connection.rows(
    `SELECT oid FROM duckdb_schemas() WHERE database_name = '${LAKE}' AND schema_name = '${STATE_SCHEMA}'`,
  );
  await connection.othersPlanned();
}
