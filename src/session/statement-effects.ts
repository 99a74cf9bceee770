import { refuseUnstorable } from "../arrow/types.ts";
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
    if (!open) context.sql.beginTransaction();
    return;
  }
  if (!open) return;
  await context.sql.endTransaction(open.id, COMMIT_WORDS.has(word) ? "commit" : "rollback");
}

/** After an ALTER, in its transaction: a type that the lake would store wrongly must not remain. */
export async function refuseUnstorableColumns(connection: Connection): Promise<void> {
  const suspects = await connection.rows(
    `SELECT column_name, data_type FROM duckdb_columns()
      WHERE database_name = '${LAKE}' AND (data_type LIKE '%HUGEINT%' OR data_type LIKE '%TIME_NS%')`,
  );
  for (const row of suspects) {
    refuseUnstorable({ name: String(row["column_name"]), type: String(row["data_type"]), nullable: true });
  }
}
