import { refuseUnstorable } from "../arrow/types.ts";
import type { Column } from "../base/table.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import type { Piece } from "../query/tokens.ts";
import type { SessionContext } from "./context.ts";

const BEGIN_WORDS: ReadonlySet<string> = new Set(["begin", "start"]);
const COMMIT_WORDS: ReadonlySet<string> = new Set(["commit", "end"]);

/**
 * BEGIN, COMMIT and ROLLBACK as SQL: clients without transactions of their own (JDBC) send them, and the transaction
 * stays with the session until it ends. COMMIT and ROLLBACK without one do nothing: connection pools send them blindly.
 */
export async function runTransactionStatement(context: SessionContext, piece: Piece): Promise<void> {
  const word = piece.tokens[0]?.text ?? "";
  const open = context.sql.transactionFor();
  if (BEGIN_WORDS.has(word)) {
    if (open) open.throwIfLeftAlone();
    else context.sql.beginTransaction();
    return;
  }
  if (!open) return;
  await context.sql.endTransaction(open.id, COMMIT_WORDS.has(word) ? "commit" : "rollback");
}

/** Columns of the lake with a type that it stores wrongly: another tool may have made some. By table, name and type. */
export async function unstorableColumns(connection: Connection): Promise<ReadonlyMap<string, Column>> {
  const rows = await connection.rows(
    `SELECT table_oid, column_name, data_type FROM duckdb_columns()
      WHERE database_name = '${LAKE}' AND regexp_matches(data_type, 'HUGEINT|TIME_NS|TIME WITH TIME ZONE')`,
  );
  const columns = rows.map(({ column_name: name, data_type: type, table_oid: table }) => {
    const column = { name: String(name), type: String(type), nullable: true };
    return [JSON.stringify([String(table), column]), column] as const;
  });
  return new Map(columns);
}

/** After an ALTER, in its transaction: it must not have made such a column. */
export async function refuseNewUnstorable(connection: Connection, before: ReadonlyMap<string, Column>): Promise<void> {
  for (const [key, column] of await unstorableColumns(connection)) if (!before.has(key)) refuseUnstorable(column);
}
