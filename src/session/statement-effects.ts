import { refuseUnstorable } from "../arrow/types.ts";
import type { Column } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { followRename } from "../lake/key-rename.ts";
import type { Lake } from "../lake/lake.ts";
import type { Piece } from "../query/tokens.ts";
import type { SessionContext } from "./context.ts";
import type { StatementKind } from "./statement-kind.ts";

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

/**
 * Runs an ALTER in its transaction, with what belongs to it: primary keys follow the names of their columns, and columns
 * that the lake would store wrongly are refused. `rekeyed` gets the tables whose key has another name by then.
 */
export async function alterLake(
  lake: Lake,
  connection: Connection,
  kind: StatementKind,
  alter: () => Promise<void>,
  rekeyed: Target[],
): Promise<void> {
  const before = await unstorableColumns(connection);
  const table = kind.renamesIn;
  const hiddenKeyOf = async (target: Target) => (await lake.describe(target).catch(() => undefined))?.primaryKey ?? [];
  if (table === undefined) await alter();
  else rekeyed.push(...(await followRename(connection, table, hiddenKeyOf, alter)));
  await refuseNewUnstorable(connection, before);
}

/** Columns of the lake with a type that it stores wrongly: another tool may have made some. By table, name and type. */
async function unstorableColumns(connection: Connection): Promise<ReadonlyMap<string, Column>> {
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
async function refuseNewUnstorable(connection: Connection, before: ReadonlyMap<string, Column>): Promise<void> {
  for (const [key, column] of await unstorableColumns(connection)) if (!before.has(key)) refuseUnstorable(column);
}
