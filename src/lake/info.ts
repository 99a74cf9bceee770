import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { STATE_SCHEMA } from "../duck/sql.ts";
import { METADATA, type Metadata } from "./metadata.ts";

export interface TableFiles {
  readonly target: Target;
  readonly dataFiles: number;
  readonly dataBytes: number;
  readonly deleteFiles: number;
}

export interface LakeInfo {
  readonly snapshots: number;
  readonly newestSnapshot: number;
  readonly tables: readonly TableFiles[];
}

/** Files of each user table that the newest snapshot refers to, and the number of snapshots. Reads the catalog only. */
export async function readInfo(connection: Connection, metadata: Metadata): Promise<LakeInfo> {
  const [snapshots] = await metadata.rows(
    connection,
    `SELECT count(*) AS n, max(snapshot_id) AS newest FROM ${METADATA}.ducklake_snapshot`,
  );
  const rows = await metadata.rows(
    connection,
    `SELECT s.schema_name, t.table_name,
            (SELECT count(*) FROM ${METADATA}.ducklake_data_file f
              WHERE f.table_id = t.table_id AND f.end_snapshot IS NULL) AS files,
            (SELECT coalesce(sum(file_size_bytes), 0)::DOUBLE FROM ${METADATA}.ducklake_data_file f
              WHERE f.table_id = t.table_id AND f.end_snapshot IS NULL) AS bytes,
            (SELECT count(*) FROM ${METADATA}.ducklake_delete_file d
              WHERE d.table_id = t.table_id AND d.end_snapshot IS NULL) AS deletes
       FROM ${METADATA}.ducklake_table t JOIN ${METADATA}.ducklake_schema s USING (schema_id)
      WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND s.schema_name <> $1
      ORDER BY s.schema_name, t.table_name`,
    [STATE_SCHEMA],
  );
  return {
    snapshots: Number(snapshots?.["n"] ?? 0),
    newestSnapshot: Number(snapshots?.["newest"] ?? 0),
    tables: rows.map((row) => ({
      target: { schema: String(row["schema_name"]), table: String(row["table_name"]) },
      dataFiles: Number(row["files"]),
      dataBytes: Number(row["bytes"]),
      deleteFiles: Number(row["deletes"]),
    })),
  };
}
