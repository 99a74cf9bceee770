import { isDurableAnyway } from "../duck/errors.ts";
import { messageOf } from "../errors.ts";

/**
 * What an error thrown by COMMIT means. `retry`: nothing was committed, for certain. `durable`: it was. `in_doubt`: only
 * the watermark can tell. Unknown texts are in doubt, which costs one more reading and is never wrong.
 */
export type CommitVerdict = "retry" | "durable" | "in_doubt";

/** In this order: DuckLake wraps the texts of the catalog's database in its own. Texts of DuckDB and DuckLake 1.5.5. */
const ROWS: ReadonlyArray<readonly [RegExp, CommitVerdict]> = [
  [/Failed to execute query "COMMIT"|Could not remove file/, "in_doubt"],
  [/Transaction conflict - attempting to|another transaction has (altered|dropped)/, "retry"],
  [/Exceeded the maximum retry count|Failed to execute query "ROLLBACK"/, "retry"],
];

export function commitVerdict(error: unknown): CommitVerdict {
  if (isDurableAnyway(error)) return "durable";
  const text = messageOf(error);
  return ROWS.find(([pattern]) => pattern.test(text))?.[1] ?? "in_doubt";
}
