import { refuseUnstorable } from "../arrow/types.ts";
import type { Column } from "../base/table.ts";
import type { Connection, Database } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import type { CreateTable } from "../query/own-statement.ts";
import { TokenCursor, tokenize } from "../query/tokens.ts";

/** What a CREATE TABLE says, read back from DuckDB after it made the table in a scratch database. */
export interface TableDefinition {
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
}

/** DuckLake refuses keys in DDL: DuckDB itself parses the statement in memory, and is asked what it understood. */
export async function readDefinition(scratch: Database, statement: CreateTable): Promise<TableDefinition> {
  using connection = await scratch.connect();
  const table = "eider_definition";
  try {
    await connection.run(`CREATE TEMP TABLE ${table} ${statement.sql.slice(statement.nameEnd)}`);
  } catch (error) {
    // A mistake in the text is reported with its place in the user's own text.
    await connection.parse(statement.sql);
    throw error;
  }
  try {
    const columns = await connection.rows(
      `SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns()
        WHERE database_name = 'temp' AND table_name = '${table}' ORDER BY column_index`,
    );
    const [key] = await connection.rows(
      `SELECT to_json(constraint_column_names)::VARCHAR AS names FROM duckdb_constraints()
        WHERE database_name = 'temp' AND table_name = '${table}' AND constraint_type = 'PRIMARY KEY'`,
    );
    if (key) await refuseWhatIsNotKept(connection, table);
    const primaryKey = key ? (JSON.parse(String(key["names"])) as string[]) : [];
    return {
      columns: columns.map((column) => ({
        name: String(column["column_name"]),
        type: String(column["data_type"]),
        nullable: column["is_nullable"] === true,
        ...(column["column_default"] === null ? {} : { default: String(column["column_default"]) }),
      })),
      primaryKey,
    };
  } finally {
    await connection.run(`DROP TABLE ${table}`);
  }
}

/** Beside a key, which Eider keeps, DuckLake has nothing that constrains rows, and would have refused the statement itself. */
async function refuseWhatIsNotKept(connection: Connection, table: string): Promise<void> {
  const [constraint] = await connection.rows(
    `SELECT constraint_type AS what, constraint_text AS text FROM duckdb_constraints()
      WHERE database_name = 'temp' AND table_name = '${table}' AND constraint_type NOT IN ('PRIMARY KEY', 'NOT NULL')`,
  );
  if (constraint) {
    throw new EiderError(
      "sql_invalid",
      `${constraint["text"]}: the lake keeps PRIMARY KEY and NOT NULL, but no ${constraint["what"]}; leave it out`,
    );
  }
  const [made] = await connection.rows(
    `SELECT sql FROM duckdb_tables() WHERE database_name = 'temp' AND table_name = '${table}'`,
  );
  const words = tokenize(String(made?.["sql"])).map(({ kind, text }) => (kind === "word" ? text : ""));
  if (words.some((word, i) => word === "generated" && words[i + 1] === "always")) {
    throw new EiderError("sql_invalid", "the lake has no generated columns; leave it out, or use a view");
  }
}

/** The query of `CREATE TABLE … AS query`, or undefined when the statement lists columns. */
export function createdAs(statement: CreateTable): string | undefined {
  const rest = statement.sql.slice(statement.nameEnd);
  const cursor = new TokenCursor(tokenize(rest));
  cursor.nameList(rest);
  if (!cursor.words("as")) return undefined;
  return rest.slice(cursor.offset).replace(/\bwith\s+(no\s+)?data\s*$/i, "");
}

/**
 * Refuses a CREATE TABLE AS whose result has types that the lake would store wrongly or die of: the rows are written by
 * the statement itself, so this must be known before it runs.
 */
export async function refuseUnstorableResult(connection: Connection, query: string): Promise<void> {
  let described: Array<Record<string, unknown>>;
  try {
    described = await connection.rows(`DESCRIBE ${query}`);
  } catch {
    return; // The CREATE itself reports what is wrong, with positions in the user's own text.
  }
  for (const row of described) {
    refuseUnstorable({ name: String(row["column_name"]), type: String(row["column_type"]), nullable: true });
  }
}
