import type { Piece, Token } from "./tokens.ts";

/**
 * DuckDB gives the parse tree of SELECT alone. Here a statement that changes rows becomes a SELECT with the same tables
 * and expressions: what that reads and calls, the statement does. Every word of the original is kept, but for the
 * statement's own and the names of columns that it sets, so that nothing can hide in what was left out.
 */
export interface SelectForm {
  /** The table that is changed, as written. */
  readonly target: readonly string[];
  readonly select: string;
}

const OPENING: ReadonlySet<string> = new Set(["(", "[", "{"]);
const CLOSING: ReadonlySet<string> = new Set([")", "]", "}"]);

/** Walks over tokens of one piece and cuts its text at words outside of brackets and of CASE … END. */
class Cutter {
  readonly #sql: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(sql: string, tokens: readonly Token[], at = 0) {
    this.#sql = sql;
    this.#tokens = tokens;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  peek(word: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === "word" && token.text === word;
  }

  /** Skips the words if they come next. */
  take(...words: readonly string[]): boolean {
    const matches = words.every((word, i) => {
      const token = this.#tokens[this.#at + i];
      return token?.kind === "word" && token.text === word;
    });
    if (matches) this.#at += words.length;
    return matches;
  }

  name(): string[] | undefined {
    const parts: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.kind !== "word" && token?.kind !== "quoted") return undefined;
      parts.push(token.kind === "word" ? this.#sql.slice(token.start, token.end) : token.text);
      this.#at++;
      if (this.#tokens[this.#at]?.text !== "." || this.#tokens[this.#at]?.kind !== "symbol") return parts;
      this.#at++;
    }
  }

  /** Skips a list of names in brackets if it comes next; a query in brackets is none. */
  names(): void {
    let at = this.#at;
    const isSymbol = (text: string) => this.#tokens[at]?.kind === "symbol" && this.#tokens[at]?.text === text;
    if (!isSymbol("(")) return;
    do {
      const [name, after] = [this.#tokens[at + 1], this.#tokens[at + 2]];
      if (name?.kind !== "word" && name?.kind !== "quoted") return;
      // `(table t)` has no comma after its first word.
      if (after?.kind !== "symbol") return;
      at += 2;
    } while (isSymbol(","));
    if (isSymbol(")")) this.#at = at + 1;
  }

  /** The text up to one of the words, or to the end. */
  textUntil(...words: readonly string[]): string {
    const start = this.#at;
    this.#until((token, before) => {
      if (token.kind !== "word" || !words.includes(token.text)) return false;
      return !(token.text === "from" && before?.kind === "word" && before.text === "distinct");
    });
    const [first, last] = [this.#tokens[start], this.#tokens[this.#at - 1]];
    return first && last && start < this.#at ? this.#sql.slice(first.start, last.end) : "";
  }

  #until(isEnd: (token: Token, before: Token | undefined) => boolean): void {
    let depth = 0;
    for (; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#tokens[this.#at] as Token;
      if (depth === 0 && isEnd(token, this.#tokens[this.#at - 1])) return;
      const opens = token.kind === "symbol" ? OPENING.has(token.text) : token.kind === "word" && token.text === "case";
      const closes = token.kind === "symbol" ? CLOSING.has(token.text) : token.kind === "word" && token.text === "end";
      if (opens) depth++;
      if (closes) depth--;
    }
  }
}

/** The text before the statement's own word (`WITH … `), then the form. Undefined: not one that can be made a SELECT. */
type Former = (cutter: Cutter, before: string) => SelectForm | undefined;

const RETURNING = "returning";

function aliased(cutter: Cutter, ...stops: readonly string[]): { target: string[]; alias: string } | undefined {
  const target = cutter.name();
  if (!target) return undefined;
  return { target, alias: cutter.textUntil(...stops) };
}

function quoted(name: readonly string[]): string {
  return name.map((part) => `"${part.replaceAll('"', '""')}"`).join(".");
}

const insert: Former = (cutter, before) => {
  if (cutter.take("or", "replace") || cutter.take("or", "ignore")) {
    // What happens to rows that are there already reads nothing else.
  }
  if (!cutter.take("into")) return undefined;
  const target = cutter.name();
  if (!target) return undefined;
  if (cutter.take("as")) cutter.name();
  cutter.names();
  if (!cutter.take("by", "name")) cutter.take("by", "position");
  if (cutter.take("default", "values")) return cutter.isAtEnd ? { target, select: `${before} SELECT 1` } : undefined;
  const source = cutter.textUntil(RETURNING);
  if (!cutter.take(RETURNING)) return { target, select: `${before} ${source}` };
  const returned = cutter.textUntil();
  return { target, select: `${before} SELECT ${returned} FROM ${quoted(target)}, (${source})` };
};

const update: Former = (cutter, before) => {
  const named = aliased(cutter, "set");
  if (!named || !cutter.take("set")) return undefined;
  const sets = cutter.textUntil("from", "where", RETURNING);
  const from = cutter.take("from") ? `, ${cutter.textUntil("where", RETURNING)}` : "";
  const where = cutter.peek("where") ? cutter.textUntil(RETURNING) : "";
  const returned = cutter.take(RETURNING) ? `, ${cutter.textUntil()}` : "";
  if (!cutter.isAtEnd) return undefined;
  const { target, alias } = named;
  return { target, select: `${before} SELECT ${sets}${returned} FROM ${quoted(target)} ${alias}${from} ${where}` };
};

const remove: Former = (cutter, before) => {
  if (!cutter.take("from")) return undefined;
  const named = aliased(cutter, "using", "where", RETURNING);
  if (!named) return undefined;
  const using = cutter.take("using") ? `, ${cutter.textUntil("where", RETURNING)}` : "";
  const where = cutter.peek("where") ? cutter.textUntil(RETURNING) : "";
  const returned = cutter.take(RETURNING) ? `, ${cutter.textUntil()}` : "";
  if (!cutter.isAtEnd) return undefined;
  const { target, alias } = named;
  return { target, select: `${before} SELECT 1${returned} FROM ${quoted(target)} ${alias}${using} ${where}` };
};

const truncate: Former = (cutter) => {
  cutter.take("table");
  const target = cutter.name();
  return target && cutter.isAtEnd ? { target, select: `SELECT 1 FROM ${quoted(target)}` } : undefined;
};

const merge: Former = (cutter, before) => {
  if (!cutter.take("into")) return undefined;
  const named = aliased(cutter, "using");
  if (!named || !cutter.take("using")) return undefined;
  const join = cutter.textUntil("when");
  const expressions = ["1"];
  while (cutter.take("when")) {
    const clause = matchClause(cutter);
    if (!clause) return undefined;
    expressions.push(...clause);
  }
  if (cutter.take(RETURNING)) expressions.push(cutter.textUntil());
  if (!cutter.isAtEnd) return undefined;
  const { target, alias } = named;
  return { target, select: `${before} SELECT ${expressions.join(", ")} FROM ${quoted(target)} ${alias} JOIN ${join}` };
};

/** `[NOT] MATCHED [BY …] [AND condition] THEN action`: its expressions. */
function matchClause(cutter: Cutter): string[] | undefined {
  cutter.take("not");
  if (!cutter.take("matched")) return undefined;
  if (!cutter.take("by", "source")) cutter.take("by", "target");
  const expressions = cutter.take("and") ? [cutter.textUntil("then")] : [];
  if (!cutter.take("then")) return undefined;
  if (cutter.take("delete") || cutter.take("do", "nothing")) return expressions;
  if (cutter.take("error")) return [...expressions, cutter.textUntil("when", RETURNING)].filter(Boolean);
  const isInsert = cutter.take("insert");
  if (!isInsert && !cutter.take("update")) return undefined;
  if (cutter.take("by", "name") || cutter.take("by", "position")) return expressions;
  if (isInsert) {
    cutter.names();
    cutter.take("values");
  } else cutter.take("set");
  return [...expressions, cutter.textUntil("when", RETURNING)].filter(Boolean);
}

/** Its columns are those of the rows, which a SELECT cannot say: DuckDB makes two statements of it. */
const pivot: Former = (cutter, before) => {
  const source = cutter.textUntil("on", "using", "group");
  const on = cutter.take("on") ? `, ${cutter.textUntil("using", "group")}` : "";
  const using = cutter.take("using") ? `, ${cutter.textUntil("group")}` : "";
  const rest = cutter.textUntil();
  return { target: [], select: `${before} SELECT 1${on}${using} FROM ${source} ${rest}` };
};

const FORMERS: ReadonlyMap<string, Former> = new Map([
  ["insert", insert],
  ["update", update],
  ["delete", remove],
  ["truncate", truncate],
  ["merge", merge],
  ["pivot", pivot],
  ["pivot_wider", pivot],
]);

/** Undefined: the statement cannot be made a SELECT. */
export function selectForm({ sql, tokens }: Piece): SelectForm | undefined {
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (token.kind === "symbol" && OPENING.has(token.text)) depth++;
    if (token.kind === "symbol" && CLOSING.has(token.text)) depth--;
    const former = depth === 0 && token.kind === "word" ? FORMERS.get(token.text) : undefined;
    if (former) return former(new Cutter(sql, tokens, at + 1), sql.slice(0, token.start));
    // Before the statement's own word there is nothing, or WITH and its queries.
    if (at === 0 && !(token.kind === "word" && token.text === "with")) return undefined;
  }
  return undefined;
}
