import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { STATE_SCHEMA } from "../duck/sql.ts";
import { METADATA, type Metadata } from "./metadata.ts";

export interface TableFiles {
  readonly target: Target;
  readonly dataFiles: number;
  readonly dataBytes: number;
  readonly deleteFiles: number;
  /** Smaller than a file should be. */
  readonly smallFiles: number;
  /** The catalog has had rows of it instead of files, and may have some now. */
  readonly wasInlined: boolean;
  /** DuckLake's option `auto_compact`, of the table, its schema or the lake. */
  readonly isCompacted: boolean;
  /** DuckLake's option `rewrite_delete_threshold` of the table; undefined when not set. */
  readonly rewriteDeleteRatio: number | undefined;
}

/** Files that merging makes larger; DuckLake aims at 512 MB. */
const SMALL_FILE_BYTES = 32_000_000;

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
              WHERE d.table_id = t.table_id AND d.end_snapshot IS NULL) AS deletes,
            (SELECT count(*) FROM ${METADATA}.ducklake_data_file f
              WHERE f.table_id = t.table_id AND f.end_snapshot IS NULL AND f.file_size_bytes < ${SMALL_FILE_BYTES}) AS small,
            (SELECT count(*) FROM ${METADATA}.ducklake_inlined_data_tables i WHERE i.table_id = t.table_id) AS inlined,
            t.table_id::VARCHAR AS table_id, s.schema_id::VARCHAR AS schema_id
       FROM ${METADATA}.ducklake_table t JOIN ${METADATA}.ducklake_schema s USING (schema_id)
      WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND s.schema_name <> $1
      ORDER BY s.schema_name, t.table_name`,
    [STATE_SCHEMA],
  );
  const options = await readOptions(connection, metadata);
  return {
    snapshots: Number(snapshots?.["n"] ?? 0),
    newestSnapshot: Number(snapshots?.["newest"] ?? 0),
    tables: rows.map((row) => ({
      target: { schema: String(row["schema_name"]), table: String(row["table_name"]) },
      dataFiles: Number(row["files"]),
      dataBytes: Number(row["bytes"]),
      deleteFiles: Number(row["deletes"]),
      smallFiles: Number(row["small"]),
      wasInlined: Number(row["inlined"]) > 0,
      isCompacted: optionOf(options, "auto_compact", row) !== "false",
      rewriteDeleteRatio: numberOf(optionOf(options, "rewrite_delete_threshold", row)),
    })),
  };
}

/** By option, scope and the scope's id; the lake's own have none. */
async function readOptions(connection: Connection, metadata: Metadata): Promise<ReadonlyMap<string, string>> {
  const rows = await metadata.rows(
    connection,
    `SELECT key, coalesce(scope, '') AS scope, coalesce(scope_id::VARCHAR, '') AS scope_id, value FROM ${METADATA}.ducklake_metadata
      WHERE key IN ('auto_compact', 'rewrite_delete_threshold')`,
  );
  return new Map(rows.map((row) => [`${row["key"]}/${row["scope"]}/${row["scope_id"]}`, String(row["value"])]));
}

/** The nearest one counts: the table's, else its schema's, else the lake's. */
function optionOf(
  options: ReadonlyMap<string, string>,
  name: string,
  row: Record<string, unknown>,
): string | undefined {
  return (
    options.get(`${name}/table/${row["table_id"]}`) ??
    options.get(`${name}/schema/${row["schema_id"]}`) ??
    options.get(`${name}//`)
  );
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
