import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { commentSql } from "./ddl.ts";
import { keyComment } from "./keys.ts";
import { describeVisible } from "./visible-table.ts";

/** A table with a key as it is before an ALTER. */
interface KeyedTable {
  readonly target: Target;
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
}

/**
 * Lets the keys of all tables of this name follow a RENAME COLUMN that `alter` runs, in its transaction. Resolves to the
 * tables whose key has another name by then. `hiddenKeyOf`: the key of a table whose comment tells none.
 */
export async function followRename(
  connection: Connection,
  table: string,
  hiddenKeyOf: (target: Target) => Promise<readonly string[]>,
  alter: () => Promise<void>,
): Promise<Target[]> {
  const before = await keyedTables(connection, table, hiddenKeyOf);
  await alter();
  const renamed: Target[] = [];
  for (const old of before) {
    const columns = (await describeVisible(connection, old.target))?.columns.map(({ name }) => name);
    const primaryKey = columns && renamedKey(old, columns);
    if (!primaryKey) continue;
    const comment = await commentOf(connection, old.target);
    await connection.run(commentSql(old.target, keyComment(primaryKey, comment)));
    renamed.push(old.target);
  }
  return renamed;
}

/** DuckDB finds the table by the session's schema, temporary ones first: which was meant shows afterwards. */
async function keyedTables(
  connection: Connection,
  table: string,
  hiddenKeyOf: (target: Target) => Promise<readonly string[]>,
): Promise<KeyedTable[]> {
  const rows = await connection.rows(
    `SELECT schema_name, table_name FROM duckdb_tables()
      WHERE database_name = '${LAKE}' AND lower(table_name) = lower($table)`,
    { table },
  );
  const keyed: KeyedTable[] = [];
  for (const row of rows) {
    const shape = await describeVisible(connection, {
      schema: String(row["schema_name"]),
      table: String(row["table_name"]),
    });
    if (!shape) continue;
    const primaryKey = shape.primaryKey.length > 0 ? shape.primaryKey : await hiddenKeyOf(shape.target);
    if (primaryKey.length === 0) continue;
    keyed.push({ target: shape.target, columns: shape.columns.map(({ name }) => name), primaryKey });
  }
  return keyed;
}

/** The key by its columns' new names; undefined when none has another. */
function renamedKey({ columns, primaryKey }: KeyedTable, now: readonly string[]): string[] | undefined {
  // A column that comes or goes moves others.
  if (now.length !== columns.length) return undefined;
  const key = primaryKey.map((name) => {
    const at = columns.findIndex((column) => column.toLowerCase() === name.toLowerCase());
    return now[at] ?? name;
  });
  return key.every((name, i) => name.toLowerCase() === primaryKey[i]?.toLowerCase()) ? undefined : key;
}

async function commentOf(connection: Connection, { schema, table }: Target): Promise<string | null> {
  const [row] = await connection.rows(
    `SELECT comment FROM duckdb_tables()
      WHERE database_name = '${LAKE}' AND schema_name = $schema AND table_name = $table`,
    { schema, table },
  );
  return typeof row?.["comment"] === "string" ? row["comment"] : null;
}
