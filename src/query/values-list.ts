import type { Token } from "./tokens.ts";

/** A value as SQL writes it: numbers in digits, with their sign; strings without their quotes. */
export type Literal =
  | { readonly kind: "null" }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "number" | "string"; readonly text: string };

/** `VALUES (…), (…)` whose values are all literals, or one row of nothing but the statement's parameters in order. */
export type ValuesList =
  | { readonly kind: "literals"; readonly rows: ReadonlyArray<readonly Literal[]> }
  | { readonly kind: "parameters"; readonly count: number };

const WORDS: Readonly<Record<string, Literal>> = {
  null: { kind: "null" },
  true: { kind: "boolean", value: true },
  false: { kind: "boolean", value: false },
};

/** No exponent, hexadecimal or `_`: DuckDB has types of its own for these. */
const PLAIN_NUMBER = /^(\d+|\d+\.\d+)$/;

/** Undefined for everything else that VALUES may hold, and for rows that differ in length: DuckDB has the words for these. */
export function valuesList(sql: string, tokens: readonly Token[]): ValuesList | undefined {
  if (tokens[0]?.kind !== "word" || tokens[0].text !== "values") return undefined;
  const rows: Cell[][] = [];
  let at = 1;
  do {
    const row = rowAt(sql, tokens, at);
    if (!row || row.cells.length !== (rows[0] ?? row.cells).length) return undefined;
    rows.push(row.cells);
    at = row.end;
  } while (isSymbol(tokens[at++], ","));
  // What comes after the rows (ORDER BY, UNION, …) makes another query of them.
  if (at <= tokens.length) return undefined;
  return listOf(rows);
}

type Cell = Literal | { readonly kind: "parameter"; readonly text: string };

function rowAt(sql: string, tokens: readonly Token[], start: number): { cells: Cell[]; end: number } | undefined {
  const cells: Cell[] = [];
  let at = start;
  if (!isSymbol(tokens[at], "(")) return undefined;
  do {
    at++;
    const sign = tokens[at]?.kind === "symbol" ? tokens[at++]?.text : "";
    const cell = cellOf(sql, tokens[at++], sign);
    if (!cell) return undefined;
    cells.push(cell);
  } while (isSymbol(tokens[at], ","));
  return isSymbol(tokens[at], ")") ? { cells, end: at + 1 } : undefined;
}

function cellOf(sql: string, token: Token | undefined, sign: string | undefined): Cell | undefined {
  if (token?.kind === "number" && PLAIN_NUMBER.test(token.text)) {
    if (sign === "" || sign === "+") return { kind: "number", text: token.text };
    return sign === "-" ? { kind: "number", text: `-${token.text}` } : undefined;
  }
  if (sign !== "") return undefined;
  // Of strings with escapes the tokens do not tell the value.
  if (token?.kind === "string" && sql[token.start] === "'" && !token.text.includes("\0"))
    return { kind: "string", text: token.text };
  if (token?.kind === "word" && Object.hasOwn(WORDS, token.text)) return WORDS[token.text];
  return token?.kind === "parameter" ? { kind: "parameter", text: token.text } : undefined;
}

function listOf(rows: readonly Cell[][]): ValuesList | undefined {
  if (rows.every((row): row is Literal[] => row.every((cell) => cell.kind !== "parameter"))) {
    return { kind: "literals", rows };
  }
  const [row = []] = rows;
  const isInOrder = row.every(
    (cell, i) => cell.kind === "parameter" && (cell.text === "?" || cell.text.slice(1) === String(i + 1)),
  );
  return rows.length === 1 && isInOrder ? { kind: "parameters", count: row.length } : undefined;
}

function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === "symbol" && token.text === text;
}
