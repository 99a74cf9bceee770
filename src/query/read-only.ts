import duckdb from "@duckdb/node-bindings";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import { CHANGING_FUNCTIONS } from "./function-rules.ts";
import { Statement } from "./statement.ts";
import { splitStatements, TokenCursor, tokenize } from "./tokens.ts";

const { StatementType } = duckdb;

const READS = "SELECT, WITH, SHOW, DESCRIBE and EXPLAIN";

/**
 * Throws unless `sql` is one statement that reads. DuckDB says what it is: its parser takes the text apart, and its
 * serialiser takes nothing but what it calls a SELECT (WITH, VALUES, FROM, SHOW, DESCRIBE, SUMMARIZE too). To be called
 * in a READ ONLY transaction, which refuses what is left (nextval, for one) when it is bound; alone it would let COPY and
 * functions pass that change something outside of tables.
 */
export async function requireRead(connection: Connection, sql: string): Promise<void> {
  if (splitStatements(sql).length === 0) throw new EiderError("sql_invalid", "the SQL text has no statement");
  if ((await connection.parse(sql)) > 1) {
    throw new EiderError("not_a_read", "send one statement at a time (PIVOT needs its values: ON column IN (…))");
  }
  const tree = await selectTree(connection, sql);
  if (tree !== undefined) return refuseChangingFunctions(tree);
  const type = await statementType(connection, sql);
  if (type === StatementType.EXPLAIN) {
    for (const inner of explained(sql)) {
      const innerTree = await selectTree(connection, inner);
      if (innerTree !== undefined) return refuseChangingFunctions(innerTree);
    }
    throw new EiderError("not_a_read", "EXPLAIN takes a SELECT here, nothing that may change something");
  }
  // A PRAGMA that DuckDB has turned into a query.
  const name = type === StatementType.SELECT ? "PRAGMA" : type === undefined ? undefined : StatementType[type];
  const what = name?.replaceAll("_", " ") ?? tokenize(sql)[0]?.text.slice(0, 32).toUpperCase() ?? "another statement";
  throw new EiderError("not_a_read", `only ${READS} run here, and this is ${what}`);
}

/** Undefined: DuckDB cannot prepare it, and it is no EXPLAIN, whose error is its query's. */
async function statementType(connection: Connection, sql: string): Promise<number | undefined> {
  try {
    const statement = await Statement.prepare(connection, sql);
    statement.close();
    return statement.type;
  } catch (error) {
    if (new TokenCursor(tokenize(sql)).words("explain")) throw error;
    return undefined;
  }
}

/** DuckDB's syntax tree (https://duckdb.org/docs/stable/data/json/sql_to_and_from_json); undefined when it is no SELECT. */
async function selectTree(connection: Connection, sql: string): Promise<unknown> {
  const [row] = await connection.rows("SELECT json_serialize_sql($1::VARCHAR) AS tree", [sql]);
  const answer: unknown = JSON.parse(String(row?.["tree"]));
  const { error, statements } = answer as { error: boolean; statements?: unknown[] };
  return error || statements?.length !== 1 ? undefined : statements;
}

function refuseChangingFunctions(tree: unknown): void {
  const nodes: unknown[] = [tree];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    if (typeof node !== "object" || node === null) continue;
    if ("function_name" in node && CHANGING_FUNCTIONS.has(String(node.function_name).toLowerCase())) {
      throw new EiderError("not_a_read", `${node.function_name}() changes something or may do so; only reads run here`);
    }
    nodes.push(...Object.values(node));
  }
}

/** What an EXPLAIN may explain: a parenthesis opens its options or a query. A wrong cut is no SELECT to DuckDB. */
function explained(sql: string): string[] {
  const cursor = new TokenCursor(tokenize(sql));
  cursor.words("explain");
  cursor.words("analyze");
  const cuts = [cursor.offset];
  if (cursor.symbol("(")) {
    while (!cursor.isAtEnd && !cursor.symbol(")")) cursor.skip();
    cuts.push(cursor.offset);
  }
  return cuts.map((cut) => sql.slice(cut));
}
