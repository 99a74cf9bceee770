import type { Target } from "../base/target.ts";
import { STATE_SCHEMA } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { type Piece, type Token, TokenCursor, tokenize } from "./tokens.ts";

/** Statements that DuckDB does not have and Eider carries out itself, and those whose meaning it extends. */
export type OwnStatement =
  | { readonly kind: "flush"; readonly target: Target | undefined }
  | { readonly kind: "set_primary_key"; readonly target: Target; readonly columns: readonly string[] }
  | { readonly kind: "cancel_task"; readonly id: number }
  | { readonly kind: "set_consistency"; readonly value: string }
  | QueueInsert
  | CreateTable;

/** `INSERT INTO duckling_queue.t …`: the source is a query of its own. */
export interface QueueInsert {
  readonly kind: "queue_insert";
  readonly table: string;
  readonly columns: readonly string[] | undefined;
  readonly byName: boolean;
  readonly source: string;
}

/** `CREATE [OR REPLACE] TABLE …` that is not temporary. */
export interface CreateTable {
  readonly kind: "create_table";
  readonly name: readonly string[];
  readonly orReplace: boolean;
  readonly ifNotExists: boolean;
  readonly sql: string;
  /** Offset of the name in `sql`. */
  readonly nameStart: number;
  readonly nameEnd: number;
  readonly hasPrimaryKey: boolean;
}

export interface NameDefaults {
  readonly queueSchema: string;
  readonly targetSchema: string;
}

type Recognizer = (piece: Piece, cursor: TokenCursor, defaults: NameDefaults) => OwnStatement | undefined;

const sameName = (a: string | undefined, b: string) => a?.toLowerCase() === b.toLowerCase();

/** `t`, `schema.t` or `lake.schema.t` as text (an argument) or as name parts. */
export function targetOf(parts: readonly string[], defaults: NameDefaults): Target {
  const own = parts.length === 3 && sameName(parts[0], "lake") ? parts.slice(1) : parts;
  const [first, second] = own;
  if (own.length === 1 && first) return { schema: defaults.targetSchema, table: first };
  if (own.length === 2 && first && second) {
    if (sameName(first, STATE_SCHEMA)) {
      throw new EiderError("request_invalid", `schema ${STATE_SCHEMA} holds Eider's own state; choose another schema`);
    }
    return { schema: sameName(first, defaults.queueSchema) ? defaults.targetSchema : first, table: second };
  }
  throw new EiderError(
    "request_invalid",
    `\`${parts.join(".")}\` does not name a table; write \`table\` or \`schema.table\``,
  );
}

export function targetOfText(text: string, defaults: NameDefaults): Target {
  const cursor = new TokenCursor(tokenize(text));
  const parts = cursor.qualifiedName(text);
  if (!parts || !cursor.isAtEnd) {
    throw new EiderError("request_invalid", `\`${text}\` does not name a table; write \`table\` or \`schema.table\``);
  }
  return targetOf(parts, defaults);
}

const pragmaFlush: Recognizer = (_piece, cursor) => {
  if (!cursor.words("pragma", "duckling_queue") || !cursor.symbol(".") || !cursor.words("flush")) return undefined;
  if (cursor.symbol("(")) cursor.symbol(")");
  return cursor.isAtEnd ? { kind: "flush", target: undefined } : undefined;
};

const callFlush: Recognizer = (_piece, cursor, defaults) => {
  if (!cursor.words("call", "duckling_queue_flush") || !cursor.symbol("(")) return undefined;
  const name = cursor.literal();
  if (!cursor.symbol(")") || !cursor.isAtEnd) {
    throw new EiderError(
      "sql_invalid",
      "duckling_queue_flush takes no argument or one table name: CALL duckling_queue_flush('schema.table')",
    );
  }
  return { kind: "flush", target: name === undefined ? undefined : targetOfText(name, defaults) };
};

const setPrimaryKey: Recognizer = (_piece, cursor, defaults) => {
  if (!cursor.words("call", "eider_set_primary_key") || !cursor.symbol("(")) return undefined;
  const usage = "usage: CALL eider_set_primary_key('schema.table', ['column', …])";
  const name = cursor.literal();
  const columns: string[] = [];
  if (name === undefined || !cursor.symbol(",") || !cursor.symbol("[")) throw new EiderError("sql_invalid", usage);
  do {
    const column = cursor.literal();
    if (column === undefined) break;
    columns.push(column);
  } while (cursor.symbol(","));
  if (!cursor.symbol("]") || !cursor.symbol(")") || !cursor.isAtEnd) throw new EiderError("sql_invalid", usage);
  return { kind: "set_primary_key", target: targetOfText(name, defaults), columns };
};

const cancelTask: Recognizer = (piece, cursor) => {
  if (!cursor.words("call", "eider_cancel_task") || !cursor.symbol("(")) return undefined;
  const [, id] = /\(\s*(\d{1,15})\s*\)\s*$/.exec(piece.sql) ?? [];
  if (id === undefined)
    throw new EiderError("sql_invalid", "usage: CALL eider_cancel_task(id), with an id of eider_tasks()");
  return { kind: "cancel_task", id: Number(id) };
};

const setConsistency: Recognizer = (piece, cursor) => {
  if (!cursor.words("set")) return undefined;
  cursor.words("session");
  if (!cursor.words("eider_read_consistency")) return undefined;
  if (!cursor.symbol("=")) cursor.words("to");
  const value = cursor.literal() ?? cursor.name(piece.sql) ?? "";
  return { kind: "set_consistency", value: value.toLowerCase() };
};

const queueInsert: Recognizer = (piece, start, defaults) => {
  const withEnd = start.words("with") ? topLevel(piece).findIndex(isWord("insert")) : 0;
  const insert = topLevel(piece)[withEnd];
  if (!insert) return undefined;
  const cursor = new TokenCursor(piece.tokens.slice(piece.tokens.indexOf(insert)));
  if (!cursor.words("insert")) return undefined;
  const or = cursor.words("or") ? ` OR ${cursor.name(piece.sql)}` : "";
  if (!cursor.words("into")) return undefined;
  const parts = cursor.qualifiedName(piece.sql);
  const isQueue = parts && parts.length >= 2 && sameName(parts.at(-2), defaults.queueSchema);
  const table = parts?.at(-1);
  if (!isQueue || table === undefined) return undefined;
  const columns = cursor.nameList(piece.sql);
  const byName = cursor.words("by", "name");
  if (!byName) cursor.words("by", "position");
  const extra = or || queueInsertExtra(piece, cursor);
  if (cursor.isAtEnd || extra) {
    throw new EiderError(
      "sql_invalid",
      `INSERT INTO ${defaults.queueSchema}.${table} takes VALUES or a query${extra ? `, not${extra}${insteadOf(extra, table)}` : ""}`,
    );
  }
  const source = piece.sql.slice(0, insert.start) + piece.sql.slice(cursor.offset);
  return { kind: "queue_insert", table, columns, byName, source };
};

const explainQueueInsert: Recognizer = (piece, cursor, defaults) => {
  if (!cursor.words("explain")) return undefined;
  cursor.words("analyze");
  const tokens = piece.tokens.filter((token) => token.start >= cursor.offset);
  const insert = queueInsert({ ...piece, tokens }, new TokenCursor(tokens), defaults);
  if (!insert) return undefined;
  throw new EiderError(
    "sql_invalid",
    `INSERT INTO ${defaults.queueSchema} puts rows into a buffer and has no plan; EXPLAIN the query behind it`,
  );
};

/** What INSERT may say beside its rows, but rows that are on their way to the lake cannot do. */
function queueInsertExtra(piece: Piece, cursor: TokenCursor): string | undefined {
  const clauses: ReadonlyArray<readonly string[]> = [["returning"], ["on", "conflict", "do"], ["on", "conflict", "("]];
  const rest = topLevel(piece);
  const found = clauses.find((words) => rest.some((_, i) => words.every((word, k) => isWord(word)(rest[i + k]))));
  if (found) return ` ${found.slice(0, 2).join(" ").toUpperCase()}`;
  if (cursor.words("default", "values")) return " DEFAULT VALUES";
  return cursor.words("as") ? " an alias" : undefined;
}

/** DuckLake has no constraints and no RETURNING either. */
function insteadOf(extra: string, table: string): string {
  if (/^ (OR|ON) /.test(extra))
    return ": rows of a table with a primary key are upserts without it; MERGE INTO does the rest";
  return extra === " RETURNING" ? "" : `: INSERT INTO ${table} does`;
}

const isWord = (text: string) => (token: Token | undefined) =>
  token?.text === text && (token.kind === "word" || token.kind === "symbol");

/** The tokens that are in no parentheses, and the parentheses around those that are. */
function topLevel(piece: Piece): Token[] {
  let depth = 0;
  return piece.tokens.filter((token) => {
    if (token.kind !== "symbol") return depth === 0;
    if (token.text === ")") depth--;
    const isTop = depth === 0;
    if (token.text === "(") depth++;
    return isTop;
  });
}

const createTable: Recognizer = (piece, cursor) => {
  if (!cursor.words("create")) return undefined;
  const orReplace = cursor.words("or", "replace");
  if (!cursor.words("table")) return undefined;
  const ifNotExists = cursor.words("if", "not", "exists");
  const nameStart = cursor.offset;
  const name = cursor.qualifiedName(piece.sql);
  if (!name || sameName(name[0], "temp")) return undefined;
  const nameEnd = piece.tokens.find((token) => token.start >= cursor.offset)?.start ?? piece.sql.length;
  const hasPrimaryKey = piece.tokens.some(
    (token, i) => token.kind === "word" && token.text === "primary" && piece.tokens[i + 1]?.text === "key",
  );
  return { kind: "create_table", name, orReplace, ifNotExists, sql: piece.sql, nameStart, nameEnd, hasPrimaryKey };
};

const createQueueSchema: Recognizer = (piece, cursor, defaults) => {
  if (!cursor.words("create", "schema")) return undefined;
  cursor.words("if", "not", "exists");
  const name = cursor.qualifiedName(piece.sql)?.at(-1);
  if (!sameName(name, defaults.queueSchema)) return undefined;
  throw new EiderError(
    "already_exists",
    `schema ${defaults.queueSchema} is Eider's queue: INSERT INTO ${defaults.queueSchema}.TABLE buffers rows for ` +
      `${defaults.targetSchema}.TABLE. It has no tables of its own; choose another name, or another queue_schema`,
  );
};

/** Without it nothing is flushed any more. Its tables may be dropped one by one: a lost node's watermark. */
const dropStateSchema: Recognizer = (piece, cursor) => {
  if (!cursor.words("drop", "schema")) return undefined;
  cursor.words("if", "exists");
  if (!sameName(cursor.qualifiedName(piece.sql)?.at(-1), STATE_SCHEMA)) return undefined;
  throw new EiderError(
    "forbidden",
    `schema ${STATE_SCHEMA} holds Eider's own state, by which rows are flushed once; a lost node's traces go by ` +
      `DROP TABLE lake.${STATE_SCHEMA}."watermark_WRITER-ID"`,
  );
};

const RECOGNIZERS: readonly Recognizer[] = [
  pragmaFlush,
  callFlush,
  setPrimaryKey,
  cancelTask,
  setConsistency,
  queueInsert,
  explainQueueInsert,
  createTable,
  createQueueSchema,
  dropStateSchema,
];

/** Undefined: the statement is DuckDB's alone. */
export function recognize(piece: Piece, defaults: NameDefaults): OwnStatement | undefined {
  for (const recognizer of RECOGNIZERS) {
    const statement = recognizer(piece, new TokenCursor(piece.tokens), defaults);
    if (statement) return statement;
  }
  return undefined;
}
