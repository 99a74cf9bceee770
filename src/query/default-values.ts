import { EiderError } from "../errors.ts";
import { type Token, tokenize } from "./tokens.ts";

/** A DEFAULT among the values of an INSERT, and the number of the column that it stands for. */
interface DefaultValue {
  readonly token: Token;
  readonly column: number;
}

/** True for VALUES of which one is DEFAULT: no query, as only the table knows what it means. */
export function hasDefaultValues(source: string): boolean {
  // Most statements are told by their text, which may be long.
  if (!/\bdefault\b/i.test(source)) return false;
  return defaultsIn(tokenize(source)).length > 0;
}

/** The same rows as a query, by what DEFAULT means for each of the columns that are inserted into. */
export function withDefaultValues(sql: string, defaults: readonly string[]): string {
  let text = "";
  let end = 0;
  for (const { token, column } of defaultsIn(tokenize(sql))) {
    const value = defaults[column];
    if (value === undefined) {
      throw new EiderError(
        "sql_invalid",
        `Binder Error: there are ${defaults.length} columns to insert into, but a DEFAULT is value ${column + 1} of its row`,
      );
    }
    text += sql.slice(end, token.start) + value;
    end = token.end;
  }
  return text + sql.slice(end);
}

function defaultsIn(tokens: readonly Token[]): DefaultValue[] {
  const found: DefaultValue[] = [];
  if (!isWord(tokens[0], "values")) return found;
  let depth = 0;
  let column = 0;
  for (const [i, token] of tokens.entries()) {
    const isFirst = depth === 1 && (isSymbol(tokens[i - 1], "(") || isSymbol(tokens[i - 1], ","));
    const isLast = isSymbol(tokens[i + 1], ")") || isSymbol(tokens[i + 1], ",");
    if (isFirst && isLast && isWord(token, "default")) found.push({ token, column });
    if (token.kind !== "symbol") continue;
    if (/^[([{]$/.test(token.text)) depth++;
    else if (/^[)\]}]$/.test(token.text)) depth--;
    else if (token.text === "," && depth === 1) column++;
    if (depth === 0) column = 0;
  }
  return found;
}

const isWord = (token: Token | undefined, text: string) => token?.kind === "word" && token.text === text;
const isSymbol = (token: Token | undefined, text: string) => token?.kind === "symbol" && token.text === text;
