/**
 * DuckDB's lexical rules, as far as needed to tell words, names, literals and parameters apart
 * (https://duckdb.org/docs/stable/sql/dialect/keywords_and_identifiers). It decides which statement is Eider's own
 * before DuckDB, which has no such statement, sees it; what a statement means is DuckDB's to say.
 */

export type TokenKind = "word" | "quoted" | "string" | "number" | "parameter" | "symbol";

export interface Token {
  readonly kind: TokenKind;
  /** Words in lower case; quoted names and strings without their quotes; the rest as written. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Each row: a sticky pattern, the kind (undefined: skipped), and how the token's text comes from the match. */
const RULES: ReadonlyArray<{
  readonly pattern: RegExp;
  readonly kind: TokenKind | undefined;
  readonly text?: (match: RegExpExecArray) => string;
}> = [
  // DuckDB takes more characters for spaces than JavaScript does.
  { pattern: /[\s\u200b-\u200d\u2060]+|--[^\n\r]*/y, kind: undefined },
  { pattern: /\/\*/y, kind: undefined },
  { pattern: /[eE]'((?:[^'\\]|\\[\s\S]|'')*)'/y, kind: "string", text: (m) => unescapeString(m[1] ?? "") },
  { pattern: /'((?:[^']|'')*)'/y, kind: "string", text: (m) => (m[1] ?? "").replaceAll("''", "'") },
  { pattern: /"((?:[^"]|"")*)"/y, kind: "quoted", text: (m) => (m[1] ?? "").replaceAll('""', '"') },
  {
    pattern: /(\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)([\s\S]*?)\1/y,
    kind: "string",
    text: (m) => m[2] ?? "",
  },
  { pattern: /\?\d*|\$\w+/y, kind: "parameter" },
  { pattern: /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y, kind: "word", text: (m) => m[0].toLowerCase() },
  { pattern: /\d[\w.]*|\.\d+/y, kind: "number" },
  { pattern: /[\s\S]/y, kind: "symbol" },
];

function unescapeString(text: string): string {
  return text.replaceAll("''", "'").replace(/\\([\s\S])/g, "$1");
}

/** Block comments nest in DuckDB, which no regular expression can follow. */
function endOfBlockComment(sql: string, start: number): number {
  let depth = 0;
  for (let i = start; i < sql.length; i++) {
    if (sql.startsWith("/*", i)) {
      depth++;
      i++;
    } else if (sql.startsWith("*/", i)) {
      depth--;
      i++;
      if (depth === 0) return i + 1;
    }
  }
  return sql.length;
}

export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < sql.length) {
    for (const rule of RULES) {
      rule.pattern.lastIndex = at;
      const match = rule.pattern.exec(sql);
      if (!match) continue;
      const end = match[0] === "/*" ? endOfBlockComment(sql, at) : at + match[0].length;
      if (rule.kind) tokens.push({ kind: rule.kind, text: rule.text ? rule.text(match) : match[0], start: at, end });
      at = end;
      break;
    }
  }
  return tokens;
}

/**
 * The text with nothing but spaces and line ends between its tokens, each where it was. What DuckDB gets then holds no
 * comment whose end it could see elsewhere.
 */
export function withoutComments(sql: string): string {
  let text = "";
  for (const token of tokenize(sql)) {
    text += blank(sql.slice(text.length, token.start)) + sql.slice(token.start, token.end);
  }
  return text;
}

function blank(gap: string): string {
  return gap.replace(/[^\n]/g, " ");
}

/** One statement of a script: its text without the semicolon, and its tokens, whose offsets count within that text. */
export interface Piece {
  readonly sql: string;
  readonly tokens: readonly Token[];
}

/** Splits at top-level semicolons; empty statements are left out. */
export function splitStatements(sql: string): Piece[] {
  const pieces: Piece[] = [];
  let current: Token[] = [];
  const finish = () => {
    const first = current[0];
    const last = current.at(-1);
    if (first && last) {
      const from = first.start;
      pieces.push({
        sql: sql.slice(from, last.end),
        tokens: current.map((token) => ({ ...token, start: token.start - from, end: token.end - from })),
      });
    }
    current = [];
  };
  for (const token of tokenize(sql)) {
    if (token.kind === "symbol" && token.text === ";") finish();
    else current.push(token);
  }
  finish();
  return pieces;
}

/** Walks over a statement's tokens; every method moves on only when it matches. */
export class TokenCursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** Offset in the statement's text of the token that comes next. */
  get offset(): number {
    return this.#tokens[this.#at]?.start ?? this.#tokens.at(-1)?.end ?? 0;
  }

  /** Moves on over whatever comes next. */
  skip(): void {
    this.#at++;
  }

  /** All of these words, in order, or none. */
  words(...expected: readonly string[]): boolean {
    const matches = expected.every((word, i) => {
      const token = this.#tokens[this.#at + i];
      return token?.kind === "word" && token.text === word;
    });
    if (matches) this.#at += expected.length;
    return matches;
  }

  symbol(expected: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "symbol" || token.text !== expected) return false;
    this.#at++;
    return true;
  }

  literal(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "string") return undefined;
    this.#at++;
    return token.text;
  }

  /** A name in its own spelling; unquoted words count as names too. */
  name(sql: string): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "word" && token?.kind !== "quoted") return undefined;
    this.#at++;
    return token.kind === "word" ? sql.slice(token.start, token.end) : token.text;
  }

  /** `a.b.c`: at least one part. */
  qualifiedName(sql: string): string[] | undefined {
    const start = this.#at;
    const parts: string[] = [];
    do {
      const part = this.name(sql);
      if (part === undefined) {
        this.#at = start;
        return undefined;
      }
      parts.push(part);
    } while (this.symbol("."));
    return parts;
  }

  /** `(a, "b")`; undefined and unmoved when it is anything else. */
  nameList(sql: string): string[] | undefined {
    const start = this.#at;
    const names: string[] = [];
    if (this.symbol("(")) {
      do {
        const name = this.name(sql);
        if (name === undefined) break;
        names.push(name);
      } while (this.symbol(","));
      if (names.length > 0 && this.symbol(")")) return names;
    }
    this.#at = start;
    return undefined;
  }
}
