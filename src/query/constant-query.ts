import type { Piece, Token } from "./tokens.ts";

/** What makes rows of literals: no operator, whose meaning a setting could change, and no function, which could be a macro. */
const SYMBOLS: ReadonlySet<string> = new Set([",", "(", ")"]);
const WORDS: ReadonlySet<string> = new Set(["null", "true", "false"]);

/**
 * True for `SELECT` of literals and parameters alone, as clients send it to find out whether a connection is alive. False is
 * always right: what names or computes anything may mean something else the next time.
 */
export function isConstant({ tokens }: Piece): boolean {
  return (
    tokens[0]?.kind === "word" &&
    tokens[0].text === "select" &&
    tokens.every((token, i) => i === 0 || isLiteral(token, tokens[i - 1]))
  );
}

function isLiteral({ kind, text }: Token, before: Token | undefined): boolean {
  const isAlias = before?.kind === "word" && before.text === "as";
  if (kind === "word") return isAlias || text === "as" || WORDS.has(text);
  if (kind === "quoted") return isAlias;
  return kind !== "symbol" || SYMBOLS.has(text);
}
