import duckdb from "@duckdb/node-bindings";
import type { Committer } from "../lake/retries.ts";
import { type Piece, TokenCursor } from "../query/tokens.ts";

const { StatementType } = duckdb;

/** What DuckDB's statement types do that matters here; a type without a row may change anything. */
interface TypeRow {
  /** Cannot change what a table looks like: after any other the descriptions are read anew. */
  readonly keepsTables?: true;
  /** CREATE, ALTER, DROP: of a table, or of something else. */
  readonly defines?: true;
  /** Of tables in the lake. */
  readonly changesRows?: true;
  /** Deletes rows, and need not insert any. */
  readonly deletesRows?: true;
  /** Leaves something on its connection that the session's other connections do not have. */
  readonly bindsToConnection?: true;
  /** DuckDB's count of rows says nothing. */
  readonly countsNothing?: true;
}

const TYPES: ReadonlyMap<number, TypeRow> = new Map<number, TypeRow>([
  [StatementType.SELECT, { keepsTables: true }],
  [StatementType.INSERT, { keepsTables: true, changesRows: true }],
  [StatementType.UPDATE, { keepsTables: true, changesRows: true }],
  [StatementType.DELETE, { keepsTables: true, changesRows: true, deletesRows: true }],
  [StatementType.MERGE_INTO, { keepsTables: true, changesRows: true, deletesRows: true }],
  [StatementType.COPY, { changesRows: true }],
  [StatementType.EXPLAIN, { keepsTables: true }],
  [StatementType.SET, { keepsTables: true, countsNothing: true }],
  [StatementType.VARIABLE_SET, { keepsTables: true, bindsToConnection: true, countsNothing: true }],
  [StatementType.TRANSACTION, { keepsTables: true }],
  [StatementType.PREPARE, { keepsTables: true, bindsToConnection: true }],
  [StatementType.CREATE, { defines: true, countsNothing: true }],
  [StatementType.ALTER, { defines: true, countsNothing: true }],
  [StatementType.DROP, { defines: true, countsNothing: true }],
]);

const REWRITING_FUNCTIONS: ReadonlySet<string> = new Set(
  ["merge_adjacent_files", "rewrite_data_files"].flatMap((name) => [name, `ducklake_${name}`]),
);

const DEFINING_WORDS: ReadonlySet<string> = new Set(["create", "alter", "drop"]);

/** Before the statement is prepared, when its type is not known yet. */
export function mayDefineTables(piece: Piece): boolean {
  return DEFINING_WORDS.has(piece.tokens[0]?.text ?? "") && !isTemporary(piece);
}

/** What a prepared statement does, by DuckDB's type and its words. */
export class StatementKind {
  readonly #type: number;
  readonly #row: TypeRow;
  readonly #piece: Piece;

  constructor(type: number, piece: Piece) {
    this.#type = type;
    this.#row = TYPES.get(type) ?? {};
    this.#piece = piece;
  }

  get isSelect(): boolean {
    return this.#type === StatementType.SELECT;
  }

  get isTransaction(): boolean {
    return this.#type === StatementType.TRANSACTION;
  }

  /** Housekeeping on the lake's files, whose rows the plan itself reads. */
  get rewritesFiles(): boolean {
    return this.#piece.tokens.some(({ text }) => REWRITING_FUNCTIONS.has(text.toLowerCase()));
  }

  get alters(): boolean {
    return this.#type === StatementType.ALTER;
  }

  get sets(): boolean {
    return this.#type === StatementType.SET;
  }

  get prepares(): boolean {
    return this.#type === StatementType.PREPARE;
  }

  get keepsTables(): boolean {
    return this.#row.keepsTables ?? false;
  }

  get defines(): boolean {
    return this.#row.defines ?? false;
  }

  get changesRows(): boolean {
    return this.#row.changesRows ?? false;
  }

  get deletesRows(): boolean {
    return this.#row.deletesRows ?? false;
  }

  /** Runs another statement, which may be one that deletes rows: EXECUTE, EXPLAIN ANALYZE. */
  get runsAnother(): boolean {
    if (this.#type === StatementType.EXECUTE) return true;
    return this.#type === StatementType.EXPLAIN && this.#piece.tokens.some(({ text }) => /^analyze$/i.test(text));
  }

  /** Whether its count of rows is for the client. */
  get counts(): boolean {
    return !this.#row.countsNothing;
  }

  get bindsToConnection(): boolean {
    return this.#row.bindsToConnection ?? (this.#type === StatementType.CREATE && isTemporary(this.#piece));
  }

  /** DuckLake's functions that write are table functions. */
  get onlyReads(): boolean {
    return this.isSelect && !this.#piece.tokens.some(({ text }) => /^ducklake_/i.test(text));
  }

  /** Temporary objects are the session's own and concern nobody else. */
  get definesTables(): boolean {
    return this.defines && !isTemporary(this.#piece);
  }

  /** ALTER … [SET DATA] TYPE. */
  get changesType(): boolean {
    return this.alters && this.#piece.tokens.some(({ text }) => /^type$/i.test(text));
  }

  /** The table's name of ALTER TABLE … RENAME; undefined: another statement. */
  get renamesIn(): string | undefined {
    if (!this.alters || !this.#piece.tokens.some(({ text }) => /^rename$/i.test(text))) return undefined;
    const cursor = new TokenCursor(this.#piece.tokens);
    if (!cursor.words("alter", "table")) return undefined;
    cursor.words("if", "exists");
    return cursor.qualifiedName(this.#piece.sql)?.at(-1);
  }

  get committer(): Committer {
    if (!this.definesTables) return "direct";
    return isIdempotent(this.#piece) ? "ensure" : "define";
  }
}

/** A definition that leads to the same end whoever came first. */
const isIdempotent = ({ tokens }: Piece) => {
  const words = tokens
    .slice(0, 8)
    .map((token) => (token.kind === "word" ? token.text : " "))
    .join(" ");
  return /^create or replace |^(create|drop) .*\bif (not )?exists\b|^alter .* add (column )?if not exists\b/.test(
    words,
  );
};

const isTemporary = (piece: Piece) =>
  piece.tokens
    .slice(0, 4)
    .some((token) => token.kind === "word" && (token.text === "temp" || token.text === "temporary"));
