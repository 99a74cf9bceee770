import { messageOf } from "../errors.ts";

/**
 * What a transaction that lost to another one can do. `now`: the catalog was busy, and the same may be tried again at
 * once. `rebase`: what it read has changed, and it must be made again from its first statement. `final`: what it makes or
 * changes was made, changed or dropped by the other, and making it again leads elsewhere.
 */
export const CONFLICT_CLASSES = ["now", "rebase", "final"] as const;
export type ConflictClass = (typeof CONFLICT_CLASSES)[number];

/** In this order. Texts of DuckDB and DuckLake 1.5.5, which wraps those of the catalog's database in its own. */
const ROWS: ReadonlyArray<readonly [RegExp, ConflictClass]> = [
  [/attempting to (create|drop|alter|rename) /, "final"],
  [/Exceeded the maximum retry count|Failed to execute query "ROLLBACK"/, "now"],
  [/database is locked|could not serialize access|deadlock detected/, "now"],
  [/another transaction has been changing tables/, "now"],
];

/** Of an error whose code is `write_conflict`. */
export function conflictClass(error: unknown): ConflictClass {
  const text = messageOf(error);
  return ROWS.find(([pattern]) => pattern.test(text))?.[1] ?? "rebase";
}

const ADVICE: Readonly<Record<ConflictClass, string>> = {
  now: "nothing of the transaction was committed; run it again",
  rebase: "nothing of the transaction was committed; run it again from its first statement",
  final: "nothing of the transaction was committed; look at what the other one has made of it before running it again",
};

/** A conflict's text for the client, with what to do. */
export function adviseOnConflict(text: string): string {
  return `${text.replace(/[.\s]+$/, "")}: ${ADVICE[conflictClass(text)]}`;
}
