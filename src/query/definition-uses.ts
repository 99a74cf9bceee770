import { queryUses, type Reader, refused, type Use } from "./query-uses.ts";
import { depthAt, requireEnd, requireName, rest } from "./statement-parts.ts";
import type { Token } from "./tokens.ts";

/** CREATE, ALTER, DROP and COMMENT: of tables, views and schemas alone. */

export const create: Reader = async (piece, cursor, parser) => {
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

export const alter: Reader = async (piece, cursor) => {
  cursor.words("alter");
  if (!cursor.words("table") && !cursor.words("view")) throw refused("this ALTER");
  cursor.words("if", "exists");
  const name = requireName(piece, cursor);
  const body = rest(piece, cursor);
  requirePlain(body.tokens);
  if (body.tokens[0]?.text === "set" && body.tokens[1]?.text === "schema") throw refused("ALTER … SET SCHEMA");
  return [{ kind: "table", role: "write", name }];
};

export const drop: Reader = async (piece, cursor) => {
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

export const comment: Reader = async (piece, cursor) => {
  cursor.words("comment", "on");
  const isColumn = cursor.words("column");
  if (!isColumn && !cursor.words("table") && !cursor.words("view")) throw refused("this COMMENT");
  const name = requireName(piece, cursor);
  if (!cursor.words("is") || (cursor.literal() === undefined && !cursor.words("null"))) throw refused("this COMMENT");
  requireEnd(cursor);
  return [{ kind: "table", role: "write", name: isColumn ? name.slice(0, -1) : name }];
};

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
export function requirePlain(tokens: readonly Token[]): void {
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
