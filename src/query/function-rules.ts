import type { Role } from "../access/principal.ts";
import type { Connection } from "../duck/database.ts";

/** DuckLake's maintenance: called by themselves as `ducklake_…`, or as functions of the lake. */
const MAINTENANCE = [
  "cleanup_old_files",
  "expire_snapshots",
  "flush_inlined_data",
  "merge_adjacent_files",
  "rewrite_data_files",
  "set_option",
];
const ofDuckLake = (name: string) => `ducklake_${name}`;

/**
 * Who may call which of DuckDB's functions when authentication is on. What is on no list nobody may: the functions that
 * read files (read_*, glob, parquet_*, sniff_csv), run other SQL (query, query_table), or change what belongs to all.
 */
export const TABLE_FUNCTIONS: ReadonlyMap<string, Role> = new Map<string, Role>([
  ...names(
    "read",
    `range generate_series unnest repeat repeat_row json_each json_tree histogram histogram_values pg_timezone_names
     icu_calendar_names duckdb_columns duckdb_constraints duckdb_functions duckdb_indexes duckdb_keywords duckdb_schemas
     duckdb_tables duckdb_types duckdb_variables duckdb_views pragma_collations pragma_platform pragma_table_info
     pragma_user_agent pragma_version eider_buffers eider_flushes eider_tasks`,
  ),
  ...names("write", "lake.set_commit_message ducklake_set_commit_message"),
  ...names(
    "admin",
    `duckdb_databases duckdb_dependencies duckdb_extensions duckdb_memory duckdb_optimizers duckdb_secrets duckdb_settings
     duckdb_temporary_files pragma_database_size pragma_metadata_info pragma_storage_info checkpoint
     ducklake_current_snapshot ducklake_last_committed_snapshot ducklake_list_files ducklake_options ducklake_settings
     ducklake_snapshots ducklake_table_changes
     ducklake_table_deletions ducklake_table_info ducklake_table_insertions lake.current_snapshot lake.last_committed_snapshot
     lake.options lake.set_option lake.settings lake.snapshots lake.table_changes lake.table_deletions lake.table_info
     lake.table_insertions`,
  ),
  ...names("admin", MAINTENANCE.map(ofDuckLake).join(" ")),
]);

/**
 * Functions that change something although DuckDB calls a statement with them a SELECT, and that its READ ONLY
 * transactions let pass (measured on 1.5.5): they delete or write files, checkpoint, or set something for the whole
 * instance; the last ones run SQL out of a string, in which anything may be.
 */
export const CHANGING_FUNCTIONS: ReadonlySet<string> = new Set([
  ...[...MAINTENANCE, "add_data_files", "commit", "delete_orphaned_files", "set_commit_message"].flatMap((name) => [
    name,
    ofDuckLake(name),
  ]),
  ...`checkpoint force_checkpoint truncate_duckdb_logs write_log enable_logging disable_logging enable_profiling
   disable_profiling enable_peg_parser disable_peg_parser postgres_execute postgres_query postgres_configure_pool
   pg_clear_cache mysql_execute mysql_query mysql_clear_cache sqlite_execute sqlite_query query
   json_execute_serialized_sql from_substrait from_substrait_json`.split(/\s+/),
]);

/** Scalar functions that tell of the server, change something, keep a thread busy, or take SQL; and DuckDB's inner ones. */
const NOT_ANYBODYS: ReadonlySet<string> = new Set(
  `combine create_sort_key current_setting currval finalize getenv json_serialize_plan nextval pg_get_viewdef pg_sleep
   sleep_ms stats vector_type write_log`.split(/\s+/),
);

/** Settings that `current_setting('…')` tells anybody. */
const PLAIN_SETTINGS: ReadonlySet<string> = new Set(["timezone", "calendar", "default_order", "default_null_order"]);

/** Parsed like functions, and in no list of DuckDB's. */
const SYNTAX: ReadonlySet<string> = new Set(["unnest", "construct_array", "grouping", "grouping_id"]);

function names(role: Role, text: string): Array<[string, Role]> {
  return text
    .trim()
    .split(/\s+/)
    .map((name) => [name, role]);
}

/** `known`: DuckDB's own scalar functions, aggregates and macros. One that is not among them is somebody's macro. */
export function functionRule(name: string, args: unknown, known: ReadonlySet<string>): "anybody" | "admin" {
  if (name === "current_setting" && isPlainSetting(args)) return "anybody";
  if (NOT_ANYBODYS.has(name) || name.startsWith("__")) return "admin";
  return known.has(name) || SYNTAX.has(name) ? "anybody" : "admin";
}

function isPlainSetting(args: unknown): boolean {
  if (!Array.isArray(args) || args.length !== 1) return false;
  const [argument] = args as Array<{ readonly value?: { readonly value?: unknown } }>;
  return PLAIN_SETTINGS.has(String(argument?.value?.value).toLowerCase());
}

export async function knownFunctions(connection: Connection): Promise<ReadonlySet<string>> {
  const rows = await connection.rows(
    `SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions()
      WHERE internal AND function_type IN ('scalar', 'aggregate', 'macro')`,
  );
  return new Set(rows.map((row) => String(row["name"])));
}
