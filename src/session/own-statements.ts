import { EiderError } from "../errors.ts";
import type { ExecuteOptions, Parameters, Prepared, StatementInfo, StatementResult } from "../flight/backend.ts";
import { flushOnCommand } from "../ingest/flush-on-command.ts";
import { hasDefaultValues } from "../query/default-values.ts";
import type { OwnStatement, QueueInsert } from "../query/own-statement.ts";
import type { Piece } from "../query/tokens.ts";
import type { SessionContext } from "./context.ts";
import { CreateTableStatement } from "./create-table.ts";
import { DefaultInsertStatement } from "./default-insert.ts";
import { QueueInsertStatement } from "./queue-insert.ts";
import { flushBeforeChange, parseConsistency } from "./read-barrier.ts";

/** How each kind of Eider's own statements is prepared; anything else is DuckDB's. */
type Preparers = {
  readonly [K in OwnStatement["kind"]]: (
    context: SessionContext,
    statement: Extract<OwnStatement, { kind: K }>,
    piece: Piece,
    options: ExecuteOptions,
  ) => Promise<Prepared>;
};

const PREPARERS: Preparers = {
  flush: async ({ services }, { target }) => new ActionStatement(() => flushOnCommand(services, target)),
  set_primary_key: async ({ services, sql }, { target, columns }, _piece, options) =>
    new ActionStatement(async () => {
      if (sql.transactionFor(options.transaction)?.holdsDefinitions) {
        throw new EiderError(
          "request_invalid",
          "eider_set_primary_key has a transaction of its own, and the open one has changed tables: commit that first",
        );
      }
      // Rows that wait were written without the key; the check for duplicates must see them.
      await flushBeforeChange(services, target);
      await services.lake.setPrimaryKey(target, columns);
    }),
  cancel_task: async ({ services }, { id }) =>
    new ActionStatement(async () => {
      if (!services.cancelTask(id)) {
        throw new EiderError(
          "not_found",
          `there is no housekeeping task ${id}; SELECT * FROM eider_tasks() lists them`,
        );
      }
    }),
  set_consistency: async (context, { value }) => {
    const consistency = parseConsistency(value);
    return new ActionStatement(async () => {
      context.consistency = consistency;
    });
  },
  queue_insert: async (context, statement, _piece, options) => {
    const prepare = (insert: QueueInsert, at: ExecuteOptions) => QueueInsertStatement.prepare(context, insert, at);
    return !statement.byName && hasDefaultValues(statement.source)
      ? await DefaultInsertStatement.prepare(context, statement, prepare, options)
      : await prepare(statement, options);
  },
  create_table: (context, statement, piece, options) =>
    CreateTableStatement.prepare(context, statement, piece, options),
};

export function prepareOwn(
  context: SessionContext,
  statement: OwnStatement,
  piece: Piece,
  options: ExecuteOptions,
): Promise<Prepared> {
  // The table's row for a kind takes exactly that kind, which TypeScript cannot follow through the index.
  const preparer = PREPARERS[statement.kind] as (
    context: SessionContext,
    statement: OwnStatement,
    piece: Piece,
    options: ExecuteOptions,
  ) => Promise<Prepared>;
  return preparer(context, statement, piece, options);
}

/** A statement without parameters, rows or count. */
class ActionStatement implements Prepared {
  readonly info: StatementInfo = { schema: undefined, parameterSchema: undefined, isUpdate: true };
  readonly #action: () => Promise<void>;

  constructor(action: () => Promise<void>) {
    this.#action = action;
  }

  async execute(): Promise<StatementResult> {
    await this.#action();
    return { kind: "count", count: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const QUERY_WORDS: ReadonlySet<string> = new Set([
  ..."select from with values table show describe summarize explain pragma".split(" "),
]);

/** Several statements in one string: each is prepared when the ones before it have run; parameters are the last one's, which answers. */
export class ScriptStatement implements Prepared {
  readonly info: StatementInfo;
  readonly #pieces: readonly Piece[];
  readonly #prepare: (piece: Piece, options: ExecuteOptions) => Promise<Prepared>;
  #running: { readonly statement: Prepared; readonly index: number } | undefined;

  constructor(pieces: readonly Piece[], prepare: (piece: Piece, options: ExecuteOptions) => Promise<Prepared>) {
    this.#pieces = pieces;
    this.#prepare = prepare;
    const isQuery = QUERY_WORDS.has(pieces.at(-1)?.tokens[0]?.text ?? "");
    this.info = { schema: undefined, parameterSchema: undefined, isUpdate: !isQuery };
  }

  async execute(parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult> {
    let result: StatementResult = { kind: "count", count: 0 };
    for (const [index, piece] of this.#pieces.entries()) {
      if (result.kind === "rows") await result.rows[Symbol.asyncDispose]();
      const statement = await this.#prepare(piece, options);
      this.#running = { statement, index };
      try {
        const isLast = index === this.#pieces.length - 1;
        result = await statement.execute(isLast ? parameters : undefined, options);
      } finally {
        this.#running = undefined;
        // A stream outlives its prepared statement: DuckDB keeps what the result needs.
        await statement[Symbol.asyncDispose]();
      }
    }
    return result;
  }

  progress(): number | undefined {
    if (!this.#running) return undefined;
    const { statement, index } = this.#running;
    return (index + (statement.progress?.() ?? 0)) / this.#pieces.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
