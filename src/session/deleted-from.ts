import type { Connection } from "../duck/database.ts";
import { type Piece, tokenize } from "../query/tokens.ts";
import { wordsOf } from "./read-barrier.ts";

const DELETING_WORDS = ["delete", "truncate", "merge"];

/**
 * Names of the tables, and of their schemas, from which the statement may delete rows, among others: see `Deletions.commit`.
 * None: it deletes nothing. `connection`: where it runs.
 */
export async function deletedFrom(connection: Connection, piece: Piece): Promise<ReadonlySet<string>> {
  const names = wordsOf(piece.tokens);
  if (names.has("execute")) {
    const prepared = await connection.rows("SELECT lower(name) AS name, statement FROM duckdb_prepared_statements()");
    for (const { name, statement } of prepared) {
      if (names.has(String(name))) for (const word of wordsOf(tokenize(String(statement)))) names.add(word);
    }
  }
  if (!DELETING_WORDS.some((word) => names.has(word))) return new Set();
  // Where names without a schema are looked for.
  const path = await connection.rows("SELECT lower(unnest(current_schemas(true))) AS schema");
  for (const { schema } of path) names.add(String(schema));
  return names;
}
