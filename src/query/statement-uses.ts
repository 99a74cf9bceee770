import type { Role } from "../access/principal.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import { TABLE_FUNCTIONS } from "./function-rules.ts";
import { type QueryTree, queryTree, type TableName } from "./parse-tree.ts";
import { selectForm } from "./select-form.ts";
import { type Piece, type Token, TokenCursor, tokenize } from "./tokens.ts";

/** One thing that a statement does and that a role is needed for. */
export type Use =
  | { readonly kind: "table"; readonly role: "read" | "write"; readonly name: TableName }
  | { readonly kind: "schema"; readonly role: "read" | "write"; readonly name: readonly string[] }
  /** What belongs to no schema: the role is needed everywhere. */
  | { readonly kind: "everywhere"; readonly role: Role; readonly what: string }
  | { readonly kind: "anywhere"; readonly role: Role; readonly what: string };

/** Statements as long as this are not taken apart: their parse trees are fifty times as long. */
const MAX_LENGTH = 1 << 20;

export interface Parser {
  /** An instance that holds nothing: statements are parsed there, and never run. */
  readonly connection: Connection;
  readonly knownFunctions: ReadonlySet<string>;
}

type Reader = (piece: Piece, cursor: TokenCursor, parser: Parser) => Promise<Use[]>;

function refused(what: string): EiderError {
  return new EiderError("forbidden", `${what} is not allowed on a server with authentication`);
}

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

async function treeOf(sql: string, whole: string, { connection, knownFunctions }: Parser): Promise<QueryTree> {
  if (sql.length > MAX_LENGTH) {
    throw new EiderError(
      "limit_exceeded",
      `the statement is longer than ${MAX_LENGTH} characters: use bulk ingest for data`,
    );
  }
  const tree = await queryTree(connection, sql, knownFunctions);
  if (tree) return tree;
  await connection.parse(whole);
  throw new EiderError("forbidden", "this form of the statement cannot be checked: write it in a simpler way");
}

function usesOf(tree: QueryTree): Use[] {
  const [unknown] = tree.unknown;
  if (unknown !== undefined) throw refused(unknown);
  return [
    ...tree.tables.map((name): Use => ({ kind: "table", role: "read", name })),
    ...tree.functions.map(({ name, isTable }): Use => {
      const role = isTable ? TABLE_FUNCTIONS.get(name) : "admin";
      if (role === undefined) throw refused(`the function ${name}`);
      return { kind: role === "admin" ? "everywhere" : "anywhere", role, what: `the function ${name}` };
    }),
  ];
}

async function queryUses(sql: string, whole: string, parser: Parser): Promise<Use[]> {
  return usesOf(await treeOf(sql, whole, parser));
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

const create: Reader = async (piece, cursor, parser) => {
  cursor.words("create");
  cursor.words("or", "replace");
  const isTemporary = cursor.words("temp") || cursor.words("temporary");
  const kind = ["table", "view", "schema"].find((word) => cursor.words(word));
  if (kind === undefined) {
    await parser.connection.parse(piece.sql);
    throw refused(`CREATE ${(piece.tokens[1]?.text ?? "").toUpperCase()}`);
  }
  cursor.words("if", "not", "exists");
  const name = requireName(piece, cursor);
  if (kind === "schema") {
    requireEnd(cursor);
    return [{ kind: "schema", role: "write", name }];
  }
  const own: Use = {
    kind: "table",
    role: "write",
    name: isTemporary && name.length === 1 ? ["temp", "main", ...name] : name,
  };
  const body = rest(piece, cursor);
  const as = body.tokens.find(
    (token, i) => token.text === "as" && token.kind === "word" && depthAt(body.tokens, i) === 0,
  );
  if (!as) {
    requirePlain(body.tokens);
    return [own];
  }
  requirePlain(body.tokens.filter((token) => token.start < as.start));
  const source = body.sql.slice(as.end).replace(/\bwith\s+(no\s+)?data\s*$/i, "");
  return [own, ...(await queryUses(source, piece.sql, parser))];
};

const alter: Reader = async (piece, cursor) => {
  cursor.words("alter");
  if (!cursor.words("table") && !cursor.words("view")) throw refused("this ALTER");
  cursor.words("if", "exists");
  const name = requireName(piece, cursor);
  const body = rest(piece, cursor);
  requirePlain(body.tokens);
  if (body.tokens[0]?.text === "set" && body.tokens[1]?.text === "schema") throw refused("ALTER … SET SCHEMA");
  return [{ kind: "table", role: "write", name }];
};

const drop: Reader = async (piece, cursor) => {
  cursor.words("drop");
  const kind = ["table", "view", "schema"].find((word) => cursor.words(word));
  if (kind === undefined) throw refused(`DROP ${(piece.tokens[1]?.text ?? "").toUpperCase()}`);
  cursor.words("if", "exists");
  const uses: Use[] = [];
  do uses.push({ kind: kind === "schema" ? "schema" : "table", role: "write", name: requireName(piece, cursor) });
  while (cursor.symbol(","));
  if (!cursor.words("cascade")) cursor.words("restrict");
  requireEnd(cursor);
  return uses;
};

const comment: Reader = async (piece, cursor) => {
  cursor.words("comment", "on");
  const isColumn = cursor.words("column");
  if (!isColumn && !cursor.words("table") && !cursor.words("view")) throw refused("this COMMENT");
  const name = requireName(piece, cursor);
  if (!cursor.words("is") || (cursor.literal() === undefined && !cursor.words("null"))) throw refused("this COMMENT");
  requireEnd(cursor);
  return [{ kind: "table", role: "write", name: isColumn ? name.slice(0, -1) : name }];
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

function requireName(piece: Piece, cursor: TokenCursor): string[] {
  const name = cursor.qualifiedName(piece.sql);
  if (name) return name;
  throw refused("a statement without a plain name");
}

function requireEnd(cursor: TokenCursor): void {
  if (!cursor.isAtEnd) throw refused("this form of the statement");
}

/** Words that begin a query. */
const QUERY_WORDS: ReadonlySet<string> = new Set(
  "select from with values table pivot unpivot show describe summarize execute".split(" "),
);

/** What stands before brackets in the definition of a table: types, constraints, the ways to partition and to sort. */
const BEFORE_BRACKETS: ReadonlySet<string> = new Set(
  `decimal numeric dec varchar char bpchar text string struct row map union enum time timestamp bit float key unique check
   default as by using bucket year month day hour identity`.split(/\s+/),
);

/** Definitions may hold expressions: none with a query in it, and no functions but those above. */
function requirePlain(tokens: readonly Token[]): void {
  for (const [i, token] of tokens.entries()) {
    if (token.kind === "word" && QUERY_WORDS.has(token.text))
      throw refused(`${token.text.toUpperCase()} in this place`);
    const isCalled = tokens[i + 1]?.kind === "symbol" && tokens[i + 1]?.text === "(";
    const isName = token.kind === "word" || token.kind === "quoted";
    if (isName && isCalled && !BEFORE_BRACKETS.has(token.text.toLowerCase())) {
      throw refused(`the function ${token.text} in this place`);
    }
  }
}

function depthAt(tokens: readonly Token[], at: number): number {
  let depth = 0;
  for (const token of tokens.slice(0, at)) {
    if (token.kind !== "symbol") continue;
    if ("([{".includes(token.text)) depth++;
    if (")]}".includes(token.text)) depth--;
  }
  return depth;
}

function skipBrackets(cursor: TokenCursor): void {
  if (!cursor.symbol("(")) return;
  for (let depth = 1; depth > 0 && !cursor.isAtEnd; ) {
    if (cursor.symbol("(")) depth++;
    else if (cursor.symbol(")")) depth--;
    else cursor.skip();
  }
}

/** What follows the cursor, as a piece of its own. */
function rest(piece: Piece, cursor: TokenCursor): Piece {
  const from = cursor.isAtEnd ? piece.sql.length : cursor.offset;
  return {
    sql: piece.sql.slice(from),
    tokens: piece.tokens
      .filter((token) => token.start >= from)
      .map((token) => ({ ...token, start: token.start - from, end: token.end - from })),
  };
}
