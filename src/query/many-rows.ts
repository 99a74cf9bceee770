import type { ParameterSet } from "./statement.ts";
import type { Piece, Token } from "./tokens.ts";

/**
 * executemany sends one `… VALUES (?, ?)` and many parameter sets. Run one by one each set would be a write of its own,
 * a Parquet file in the lake; as `VALUES (?, ?), (?, ?), …` they are one.
 */

/** Parameters of one statement; preparing grows with their number. */
const PARAMETER_LIMIT = 2000;

export interface Round {
  readonly sql: string;
  readonly set: ParameterSet;
}

/** The same work in fewer statements; a statement that does not end in one tuple of `?` stays as it is. */
export function combineSets(piece: Piece, sets: readonly ParameterSet[]): Round[] {
  const tupleStart = sets.length > 1 ? startOfOnlyTuple(piece.tokens) : undefined;
  const width = sets[0]?.length ?? 0;
  if (tupleStart === undefined || width === 0 || sets.some((set) => set.length !== width)) {
    return sets.map((set) => ({ sql: piece.sql, set }));
  }
  const tuple = piece.sql.slice(tupleStart);
  const perRound = Math.max(1, Math.floor(PARAMETER_LIMIT / width));
  const rounds: Round[] = [];
  for (let at = 0; at < sets.length; at += perRound) {
    const part = sets.slice(at, at + perRound);
    rounds.push({ sql: piece.sql + `, ${tuple}`.repeat(part.length - 1), set: part.flat() });
  }
  return rounds;
}

/** Offset of the tuple when the statement's last clause is `VALUES (…)` and its parameters are all in it, all `?`. */
function startOfOnlyTuple(tokens: readonly Token[]): number | undefined {
  const values = tokens.findIndex((token) => token.kind === "word" && token.text === "values");
  const open = tokens[values + 1];
  if (values < 0 || open?.text !== "(") return undefined;
  let depth = 0;
  for (const [i, token] of tokens.entries()) {
    if (token.kind === "parameter" && (i < values || token.text !== "?")) return undefined;
    if (i <= values || token.kind !== "symbol") continue;
    if (token.text === "(") depth++;
    if (token.text === ")") depth--;
    if (depth === 0 && i < tokens.length - 1) return undefined;
  }
  return depth === 0 ? open.start : undefined;
}
