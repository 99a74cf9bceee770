import type { Target } from "./target.ts";

/** A column as DuckDB sees it; `type` is DuckDB's SQL type text, for example `DECIMAL(10,2)` or `STRUCT(a INTEGER)`. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  /** DuckLake's id of the column within its table, which survives a rename; absent: not of a table in the lake. */
  readonly id?: number | undefined;
  /** DuckDB SQL text of the default, as `duckdb_columns().column_default` gives it; absent: NULL. */
  readonly default?: string;
}

/** What a target looks like: columns in table order, and the primary key's column names (empty: append-only table). */
export interface TableShape {
  readonly target: Target;
  /** The table's UUID in the catalog, which survives a rename; absent: not known to be in the lake. */
  readonly id?: string | undefined;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
}

/** Names of columns ignore case. */
export function columnNamed(columns: readonly Column[], name: string): Column | undefined {
  return columns.find((column) => column.name.toLowerCase() === name.toLowerCase());
}
