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

/** Where a token that begins at `at` ends; undefined: it is none of this kind. */
type Scan = (sql: string, at: number) => number | undefined;

interface Rule {
  /** What its first character can be: most characters begin tokens of one kind alone. */
  readonly first: RegExp;
  readonly end: Scan;
  /** Undefined: skipped. */
  readonly kind: TokenKind | undefined;
  /** The token's text from what is written. */
  readonly text?: (written: string) => string;
}

/** The first that fits counts. Texts of many megabytes come: patterns here repeat single characters, never alternatives. */
const RULES: readonly Rule[] = [
  // DuckDB takes more characters for spaces than JavaScript does.
  { first: /[\s\u200b-\u200d\u2060]/, end: sticky(/[\s\u200b-\u200d\u2060]+/y), kind: undefined },
  { first: /-/, end: sticky(/--[^\n\r]*/y), kind: undefined },
  { first: /\//, end: (sql, at) => (sql[at + 1] === "*" ? endOfBlockComment(sql, at) : undefined), kind: undefined },
  { first: /[eE]/, end: endOfEscaped, kind: "string", text: (written) => unescapeString(written.slice(2, -1)) },
  { first: /'/, end: endOfQuoted, kind: "string", text: (written) => written.slice(1, -1).replaceAll("''", "'") },
  { first: /"/, end: endOfQuoted, kind: "quoted", text: (written) => written.slice(1, -1).replaceAll('""', '"') },
  { first: /\$/, end: endOfDollarQuoted, kind: "string", text: withoutTags },
  { first: /[?$]/, end: sticky(/\?\d*|\$\w+/y), kind: "parameter" },
  {
    first: /[A-Za-z_\u0080-\uffff]/,
    end: sticky(/[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y),
    kind: "word",
    text: (written) => written.toLowerCase(),
  },
  { first: /[\d.]/, end: sticky(/\d[\w.]*|\.\d+/y), kind: "number" },
  { first: /[\s\S]/, end: (_sql, at) => at + 1, kind: "symbol" },
];

const ASCII = 128;
const rulesFor = (character: string) => RULES.filter(({ first }) => first.test(character));
const RULES_BY_ASCII = Array.from({ length: ASCII }, (_, code) => rulesFor(String.fromCharCode(code)));

function sticky(pattern: RegExp): Scan {
  return (sql, at) => {
    pattern.lastIndex = at;
    return pattern.test(sql) ? pattern.lastIndex : undefined;
  };
}

/** A quote within is written twice. */
function endOfQuoted(sql: string, at: number): number | undefined {
  const quote = sql[at] as string;
  for (let i = sql.indexOf(quote, at + 1); i >= 0; i = sql.indexOf(quote, i + 2)) {
    if (sql[i + 1] !== quote) return i + 1;
  }
  return undefined;
}

/** `E'…'`, with backslashes. */
function endOfEscaped(sql: string, at: number): number | undefined {
  if (sql[at + 1] !== "'") return undefined;
  for (let i = at + 2; i < sql.length; i++) {
    if (sql[i] === "\\") i++;
    else if (sql[i] === "'") {
      if (sql[i + 1] !== "'") return i + 1;
      i++;
    }
  }
  return undefined;
}

const TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

/** The `$$` or `$name$` that begins at `at`. */
function tagAt(sql: string, at: number): string | undefined {
  TAG.lastIndex = at;
  return TAG.test(sql) ? sql.slice(at, TAG.lastIndex) : undefined;
}

function endOfDollarQuoted(sql: string, at: number): number | undefined {
  const tag = tagAt(sql, at);
  const close = tag === undefined ? -1 : sql.indexOf(tag, at + tag.length);
  return tag === undefined || close < 0 ? undefined : close + tag.length;
}

function withoutTags(written: string): string {
  const { length } = tagAt(written, 0) ?? "";
  return written.slice(length, -length);
}

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
  for (let at = 0; at < sql.length; ) {
    const rules = RULES_BY_ASCII[sql.charCodeAt(at)] ?? rulesFor(sql.charAt(at));
    for (const { end: scan, kind, text } of rules) {
      const end = scan(sql, at);
      if (end === undefined) continue;
      if (kind) {
        const written = sql.slice(at, end);
        tokens.push({ kind, text: text ? text(written) : written, start: at, end });
      }
      at = end;
      break;
    }
  }
  return tokens;
}

/**
 * The text with nothing but spaces and line ends between its tokens, each where it was. What DuckDB gets then holds no
 * comment whose end it could see elsewhere: a text that the guard and DuckDB read differently would be a way in.
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
        tokens:
          from === 0
            ? current
            : current.map(({ kind, text, start, end }) => ({ kind, text, start: start - from, end: end - from })),
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
