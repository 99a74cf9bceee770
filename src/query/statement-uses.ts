import { EiderError } from "../errors.ts";
import { alter, comment, create, drop, requirePlain } from "./definition-uses.ts";
import { type Parser, queryUses, type Reader, refused, type Use } from "./query-uses.ts";
import { selectForm } from "./select-form.ts";
import { requireEnd, requireName, rest, skipBrackets } from "./statement-parts.ts";
import { type Piece, TokenCursor, tokenize } from "./tokens.ts";

const NUMBER = /^(0x[0-9a-f_]+|0b[01_]+|(\d[\d_]*)?\.?\d[\d_]*\.?(e\d+|e)?)$/i;

/**
 * What DuckDB could take for something else than we do: text that ends at a NUL, names in escapes (`U&"…"`), words that
 * begin in a number (`1FROM`).
 */
function requireClearText({ sql, tokens }: Piece): void {
  const isUnclear = tokens.some((token, i) => {
    if (token.kind === "number") return !NUMBER.test(token.text);
    if (token.kind === "symbol") return token.text < " " || token.text === "\u007f" || "'\"".includes(token.text);
    return (
      token.text === "u" && tokens[i + 1]?.text === "&" && ["string", "quoted"].includes(tokens[i + 2]?.kind ?? "")
    );
  });
  if (isUnclear || sql.includes("\0")) throw refused("text that can be read in two ways");
}

/** What the statement does, whatever tables there are. Throws `forbidden` for what nobody may do, DuckDB's error for what is no SQL. */
export async function statementUses(piece: Piece, parser: Parser): Promise<Use[]> {
  requireClearText(piece);
  const [first] = piece.tokens;
  if (!first) throw new EiderError("sql_invalid", "the SQL text has no statement");
  const word = first.kind === "word" ? first.text : first.text === "(" ? "select" : "";
  const reader = READERS.get(word);
  if (!reader) {
    if (!REFUSED.has(word)) await parser.connection.parse(piece.sql);
    throw refused(word === "" ? "this statement" : word.toUpperCase());
  }
  return await reader(piece, new TokenCursor(piece.tokens), parser);
}

const query: Reader = async (piece, _cursor, parser) => {
  const form = selectForm(piece);
  return form ? await change(piece, _cursor, parser) : await queryUses(piece.sql, piece.sql, parser);
};

/** INSERT, UPDATE, DELETE, MERGE, TRUNCATE, PIVOT. */
const change: Reader = async (piece, _cursor, parser) => {
  const form = selectForm(piece);
  if (!form) {
    await parser.connection.parse(piece.sql);
    throw new EiderError("forbidden", "this form of the statement cannot be checked: write it in a simpler way");
  }
  const { target, select } = form;
  const writes: Use[] = target.length === 0 ? [] : [{ kind: "table", role: "write", name: target }];
  if (isListOfValues(piece)) return writes;
  return [...writes, ...(await queryUses(select, piece.sql, parser))];
};

const VALUE_WORDS: ReadonlySet<string> = new Set("values null true false default".split(" "));

/**
 * `INSERT INTO t (…) VALUES (1, 'a'), …`: literals read nothing, and there may be a great many. A name in front of a
 * string or of brackets would be a type or a function.
 */
function isListOfValues({ sql, tokens }: Piece): boolean {
  const cursor = new TokenCursor(tokens);
  if (!cursor.words("insert", "into") || !cursor.qualifiedName(sql)) return false;
  cursor.nameList(sql);
  const { offset } = cursor;
  if (!cursor.words("values")) return false;
  return tokens.every(({ kind, text, start }) => {
    if (start <= offset) return true;
    if (kind === "word") return VALUE_WORDS.has(text);
    if (kind === "symbol") return "(),-+".includes(text);
    return kind === "string" || kind === "number" || kind === "parameter";
  });
}

const explain: Reader = async (piece, cursor, parser) => {
  cursor.words("explain");
  cursor.words("analyze");
  if (piece.tokens[1]?.text === "(") skipBrackets(cursor);
  return await statementUses(rest(piece, cursor), parser);
};

const use: Reader = async (piece, cursor) => {
  cursor.words("use");
  const name = requireName(piece, cursor);
  requireEnd(cursor);
  return [{ kind: "schema", role: "read", name }];
};

/** Settings that are the session's own and harm nobody. */
const OWN_SETTINGS: ReadonlySet<string> = new Set(["timezone"]);

const set: Reader = async (piece, cursor, parser) => {
  cursor.words("set");
  if (cursor.words("variable")) {
    cursor.name(piece.sql);
    if (!cursor.symbol("=")) cursor.words("to");
    return await queryUses(`SELECT ${rest(piece, cursor).sql}`, piece.sql, parser);
  }
  if (!cursor.words("session")) cursor.words("local");
  const name = cursor.words("time", "zone") ? "timezone" : (cursor.name(piece.sql) ?? "").toLowerCase();
  if (!cursor.symbol("=")) cursor.words("to");
  const literal = cursor.literal();
  const value = literal ?? cursor.name(piece.sql);
  requireEnd(cursor);
  if (name === "schema" && value !== undefined) {
    const names = new TokenCursor(tokenize(value));
    const schema = names.qualifiedName(value);
    if (schema && names.isAtEnd) return [{ kind: "schema", role: "read", name: schema }];
  }
  if (OWN_SETTINGS.has(name) && value !== undefined) return [];
  throw refused(`SET ${name}`);
};

const reset: Reader = async (piece, cursor) => {
  cursor.words("reset");
  const isVariable = cursor.words("variable");
  if (!isVariable && !cursor.words("session")) cursor.words("local");
  const name = (cursor.name(piece.sql) ?? "").toLowerCase();
  requireEnd(cursor);
  if (isVariable || OWN_SETTINGS.has(name)) return [];
  throw refused(`RESET ${name}`);
};

const transaction: Reader = async () => [];

const call: Reader = async (piece, cursor, parser) => {
  cursor.words("call");
  return await queryUses(`SELECT * FROM ${rest(piece, cursor).sql}`, piece.sql, parser);
};

/** PRAGMAs that only show names. */
const PLAIN_PRAGMAS: ReadonlySet<string> = new Set(["table_info", "show_tables", "version", "platform", "collations"]);

const pragma: Reader = async (piece, cursor) => {
  cursor.words("pragma");
  const name = (cursor.name(piece.sql) ?? "").toLowerCase();
  if (!PLAIN_PRAGMAS.has(name)) throw refused(`PRAGMA ${name}`);
  if (cursor.symbol("(")) {
    if (cursor.literal() === undefined) requireName(piece, cursor);
    if (!cursor.symbol(")")) throw refused(`PRAGMA ${name}`);
  }
  requireEnd(cursor);
  return [];
};

const upkeep: Reader = async (piece) => {
  requirePlain(piece.tokens.slice(1));
  return [{ kind: "everywhere", role: "admin", what: (piece.tokens[0]?.text ?? "").toUpperCase() }];
};

/** THE table of statements by their first word; any other is refused. */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ...["select", "from", "with", "values", "table", "show", "describe", "desc", "summarize", "unpivot"].map(
    (word): [string, Reader] => [word, query],
  ),
  ...["insert", "update", "delete", "merge", "truncate", "pivot", "pivot_wider"].map((word): [string, Reader] => [
    word,
    change,
  ]),
  ["explain", explain],
  ["create", create],
  ["alter", alter],
  ["drop", drop],
  ["comment", comment],
  ["use", use],
  ["set", set],
  ["reset", reset],
  ["call", call],
  ["pragma", pragma],
  ...["begin", "start", "commit", "end", "rollback", "abort"].map((word): [string, Reader] => [word, transaction]),
  ...["checkpoint", "vacuum", "analyze"].map((word): [string, Reader] => [word, upkeep]),
]);

/** Not even parsed: DuckDB reads the files of IMPORT DATABASE while it parses. */
const REFUSED: ReadonlySet<string> = new Set(
  "attach copy deallocate detach execute export import install load prepare".split(" "),
);
