import { refused } from "./query-uses.ts";
import type { Piece, Token, TokenCursor } from "./tokens.ts";

/** What the readers of statements ask of tokens; where they do not find it the statement is refused. */

export function requireName(piece: Piece, cursor: TokenCursor): string[] {
  const name = cursor.qualifiedName(piece.sql);
  if (name) return name;
  throw refused("a statement without a plain name");
}

export function requireEnd(cursor: TokenCursor): void {
  if (!cursor.isAtEnd) throw refused("this form of the statement");
}

export function depthAt(tokens: readonly Token[], at: number): number {
  let depth = 0;
  for (const token of tokens.slice(0, at)) {
    if (token.kind !== "symbol") continue;
    if ("([{".includes(token.text)) depth++;
    if (")]}".includes(token.text)) depth--;
  }
  return depth;
}

export function skipBrackets(cursor: TokenCursor): void {
  if (!cursor.symbol("(")) return;
  for (let depth = 1; depth > 0 && !cursor.isAtEnd; ) {
    if (cursor.symbol("(")) depth++;
    else if (cursor.symbol(")")) depth--;
    else cursor.skip();
  }
}

/** What follows the cursor, as a piece of its own. */
export function rest(piece: Piece, cursor: TokenCursor): Piece {
  const from = cursor.isAtEnd ? piece.sql.length : cursor.offset;
  return {
    sql: piece.sql.slice(from),
    tokens: piece.tokens
      .filter((token) => token.start >= from)
      .map((token) => ({ ...token, start: token.start - from, end: token.end - from })),
  };
}
