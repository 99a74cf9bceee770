import type duckdb from "@duckdb/node-bindings";
import { encodeSchema, NO_COLUMNS } from "../arrow/schema.ts";
import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { isFatal } from "../duck/errors.ts";
import { EiderError } from "../errors.ts";
import type {
  ExecuteOptions,
  Parameters,
  Prepared,
  RowStream,
  StatementInfo,
  StatementResult,
} from "../flight/backend.ts";
import { whileDefining } from "../ingest/definitions.ts";
import { settleSchema } from "../lake/settled-schema.ts";
import { boundColumns } from "../query/bound-columns.ts";
import { isConstant } from "../query/constant-query.ts";
import { combineSets, type Round } from "../query/many-rows.ts";
import { ResultStream, type StreamEnd } from "../query/result-stream.ts";
import { resultSchema } from "../query/schema-memo.ts";
import { interruptible, type Slot, throwIfAborted } from "../query/slot.ts";
import { type ParameterSet, parameterSets, Statement } from "../query/statement.ts";
import type { Piece } from "../query/tokens.ts";
import { ConstantRows } from "./constant-rows.ts";
import type { SessionContext } from "./context.ts";
import { deletedFrom } from "./deleted-from.ts";
import { flushNamed } from "./read-barrier.ts";
import { ConcatenatedRows } from "./row-streams.ts";
import { alterLake, runTransactionStatement } from "./statement-effects.ts";
import { mayDefineTables, StatementKind } from "./statement-kind.ts";

type StreamEnded = (end: StreamEnd, error?: EiderError) => void;

/** A statement that DuckDB runs as it is. */
export class EngineStatement implements Prepared {
  readonly info: StatementInfo;
  readonly #context: SessionContext;
  readonly #piece: Piece;
  /** The statement on each connection that has run it: it belongs to one, and may run on several at the same time. */
  readonly #statements = new Map<Slot, Statement>();
  /** Updates that have run: DuckDB keeps in their plans what variables, settings and macros meant then. */
  readonly #used = new Set<Statement>();
  /** Where an update runs just now. */
  #updating: Slot | undefined;
  readonly #kind: StatementKind;
  readonly #constantRows = new ConstantRows();

  private constructor(context: SessionContext, piece: Piece, slot: Slot, statement: Statement) {
    const columns = statement.isUpdate ? undefined : statement.columns;
    this.#context = context;
    this.#piece = piece;
    this.#kind = new StatementKind(statement.type, piece);
    this.#statements.set(slot, statement);
    this.info = {
      schema: columns && resultSchema(columns, context.resultTypes),
      parameterSchema: statement.parameterCount === 0 ? NO_COLUMNS : encodeSchema(statement.parameterSchema),
      isUpdate: statement.isUpdate,
      isConstant: isConstant(piece),
    };
  }

  static async prepare(context: SessionContext, piece: Piece, options: ExecuteOptions): Promise<EngineStatement> {
    const transaction = context.sql.transactionFor(options.transaction);
    // Preparing alone must not begin a lazy transaction: an idle client would pin a snapshot.
    const prepare = () =>
      context.sql.onSlot(
        transaction?.hasBegun ? transaction : undefined,
        async (slot) => new EngineStatement(context, piece, slot, await Statement.prepare(slot.connection, piece.sql)),
        "read",
      );
    // What DuckLake has looked up for it is freed by another's COMMIT of a definition.
    return mayDefineTables(piece) && !transaction?.holdsDefinitions ? context.services.lake.define(prepare) : prepare();
  }

  async describe(parameters: Parameters): Promise<Uint8Array | undefined> {
    if (!this.#kind.isSelect) return undefined;
    const { sql, resultTypes } = this.#context;
    const [set = []] = parameterSets(parameters, this.info.parameterSchema);
    const transaction = sql.transactionFor();
    const columns = await sql.onSlot(
      transaction?.hasBegun ? transaction : undefined,
      (slot) => boundColumns(slot.connection, this.#piece.sql, set),
      "read",
    );
    return resultSchema(columns, resultTypes);
  }

  async execute(parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult> {
    const { sql, services } = this.#context;
    // Within a transaction DuckDB has to say whether it still takes statements.
    const isPing = this.info.isConstant && !parameters && !sql.transactionFor(options.transaction);
    const known = isPing ? this.#constantRows.again() : undefined;
    const stop = new AbortController();
    const ended = services.queries.started({
      sql: this.#piece.sql,
      via: "flight",
      principal: this.#context.principal,
      cancel: () => stop.abort(),
    });
    let letGo: (() => void) | undefined;
    const end: StreamEnded = (...how) => {
      letGo?.();
      ended(...how);
    };
    if (known) {
      ended("ok");
      return { kind: "rows", rows: known };
    }
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    try {
      if (this.#kind.isTransaction) {
        await runTransactionStatement(this.#context, this.#piece);
        end("ok");
        return { kind: "count", count: 0 };
      }
      const transaction = sql.transactionFor(options.transaction);
      // Before anything is waited for.
      letGo = transaction?.use();
      const sets = parameters ? parameterSets(parameters, this.info.parameterSchema) : [[]];
      if (this.#kind.defines) await flushNamed(services, this.#piece.tokens);
      else await this.#context.waitForReads(this.#piece.tokens);
      if (!this.#kind.keepsTables) transaction?.atEnd(async () => services.lake.invalidate());
      if (!this.info.isUpdate) {
        const openers = sets.map(
          (set, i) => () =>
            sql.onSlot(
              transaction,
              (slot) =>
                interruptible(slot, signal, () =>
                  this.#stream(slot, set, transaction?.deleting, endOf(end, i === sets.length - 1)),
                ),
              this.#kind.onlyReads ? "read" : "write",
            ),
        );
        const rows = await ConcatenatedRows.open(openers, () => end("cancelled"));
        stop.signal.addEventListener("abort", () => rows.cancel(), { once: true });
        if (stop.signal.aborted) rows.cancel();
        return { kind: "rows", rows: isPing ? await this.#constantRows.keep(rows) : rows };
      }
      const rekeyed: Target[] = [];
      const run = () =>
        sql.onSlot(transaction, async (slot) => {
          this.#updating = slot;
          try {
            return await interruptible(slot, signal, () =>
              this.#update(slot, sets, signal, rekeyed, transaction?.deleting),
            );
          } catch (error) {
            // DuckLake may leave the connection in an aborted transaction.
            if (!slot.isInTransaction && !slot.connection.isClosed && !isFatal(error)) await slot.connection.rollback();
            throw error;
          } finally {
            this.#updating = undefined;
          }
        });
      const update = () => (transaction ? run() : services.lake.commit(this.#kind.committer, run, { signal }));
      const count = await (this.#kind.definesTables ? whileDefining(services.lake, transaction, update) : update());
      if (this.#kind.changesType) {
        const renew = () => services.lake.renewStatistics();
        if (transaction) transaction.atEnd(renew);
        else await renew();
      }
      for (const target of rekeyed) {
        if (transaction) transaction.atEnd(() => services.lake.mirrorKey(target));
        else await services.lake.mirrorKey(target);
      }
      end("ok");
      return { kind: "count", count };
    } catch (error) {
      if (!(error instanceof EiderError)) end("error");
      else end(error.code === "cancelled" ? "cancelled" : "error", error);
      throw await services.lake.afterError(error);
    } finally {
      if (!this.#kind.keepsTables) services.lake.invalidate();
    }
  }

  progress(): number | undefined {
    return this.#updating?.connection.progress;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = [...this.#statements].map(([slot, statement]) => slot.inTurn(async () => statement.close()));
    this.#statements.clear();
    await Promise.allSettled(closing);
  }

  async #on(slot: Slot): Promise<Statement> {
    const known = this.#statements.get(slot);
    if (known && !this.#used.has(known)) return known;
    if (known) this.#used.delete(known);
    known?.close();
    const statement = await Statement.prepare(slot.connection, this.#piece.sql);
    this.#statements.set(slot, statement);
    return statement;
  }

  async #stream(
    slot: Slot,
    set: ParameterSet,
    deleting: Set<string> | undefined,
    onEnd: StreamEnded,
  ): Promise<RowStream> {
    const { lake, spool, ahead } = this.#context.services;
    return ahead.start(slot.connection, async (share) => {
      const names = this.#kind.runsAnother ? await deletedFrom(slot.connection, this.#piece) : new Set<string>();
      for (const name of names) deleting?.add(name);
      const isWhole = this.#kind.rewritesFiles || names.size > 0;
      const result = isWhole ? await this.#whole(slot, set, names) : await this.#result(slot, set);
      const stream = new ResultStream(slot, result, {
        onEnd: (end, error) => {
          onEnd(end, error);
          // What fails here fails again, and is told, at the next statement.
          if (error) lake.afterError(error).catch(() => undefined);
        },
        spool,
        ahead: share,
        source: {
          detached: () => this.#context.sql.slots.detached(),
          sql: this.#piece.sql,
          set,
          canRepeat: this.#kind.isSelect,
        },
        ...this.#context.resultTypes,
      });
      slot.occupy(stream);
      return stream;
    });
  }

  async #result(slot: Slot, set: ParameterSet): Promise<duckdb.Result> {
    const statement = await this.#on(slot);
    statement.bind(set);
    return await statement.stream(this.info.isConstant);
  }

  /**
   * In a transaction of its own when there is none. DuckLake 1.5.5 reads freed memory when a plan that rewrites files is run
   * in another transaction than it was made in.
   */
  async #whole(slot: Slot, set: ParameterSet, deleting: ReadonlySet<string>): Promise<duckdb.Result> {
    const run = () => preparedAnew(slot.connection, this.#piece.sql, set, (statement) => statement.stream(true));
    const { clients } = this.#context.services.lake;
    return slot.isInTransaction ? await run() : await clients.run(slot.connection, run, deleting);
  }

  async #update(
    slot: Slot,
    sets: readonly ParameterSet[],
    signal: AbortSignal | undefined,
    rekeyed: Target[],
    deleting = new Set<string>(),
  ): Promise<number> {
    const { sql } = this.#context;
    const { lake } = this.#context.services;
    const kind = this.#kind;
    const statement = kind.changesRows || kind.definesTables ? undefined : await this.#on(slot);
    if (statement) this.#used.add(statement);
    const runSets = async () => {
      let count = 0;
      for (const round of combineSets(this.#piece, sets)) {
        throwIfAborted(signal);
        count += await this.#runRound(slot, statement, round);
      }
      if (kind.deletesRows && count > 0) {
        for (const name of await deletedFrom(slot.connection, this.#piece)) deleting.add(name);
      }
      return kind.counts ? count : 0;
    };
    const needsTransaction =
      !slot.isInTransaction &&
      (sets.length > 1 ||
        kind.alters ||
        kind.deletesRows ||
        (lake.clients.isGuarded && (kind.changesRows || kind.definesTables)));
    const runAll = async () => {
      if (kind.definesTables && (slot.isInTransaction || needsTransaction)) await settleSchema(slot.connection);
      if (!kind.alters) return await runSets();
      await alterLake(lake, slot.connection, kind, async () => void (await runSets()), rekeyed);
      return 0;
    };
    const count = needsTransaction ? await lake.clients.run(slot.connection, runAll, deleting) : await runAll();
    if (kind.bindsToConnection) sql.slots.isPinned = true;
    if (kind.prepares) this.#context.forgetDefinitions();
    if (kind.sets) {
      sql.slots.remember(this.#piece, slot);
      this.#context.forgetSchema();
    }
    return count;
  }

  /**
   * `statement`: undefined for what changes the lake. It is prepared and executed with nothing between the two on its
   * connection: the next query lets go of the tables that DuckLake 1.5.5 has looked up for a plan, and where another
   * connection has loaded the same version of the schema at the same time, CREATE and INSERT then read freed memory.
   */
  async #runRound(slot: Slot, statement: Statement | undefined, round: Round): Promise<number> {
    if (statement) {
      statement.bind(round.set);
      return statement.execute();
    }
    return preparedAnew(slot.connection, round.sql, round.set, (anew) => anew.execute());
  }
}

/** Runs a statement that is prepared for this alone. */
async function preparedAnew<T>(
  connection: Connection,
  sql: string,
  set: ParameterSet,
  run: (statement: Statement) => Promise<T>,
): Promise<T> {
  const statement = await Statement.prepare(connection, sql);
  try {
    statement.bind(set);
    return await run(statement);
  } finally {
    statement.close();
  }
}

/** The statement has ended when its last result has, or one of them badly. */
const endOf =
  (end: StreamEnded, isLast: boolean): StreamEnded =>
  (result, error) => {
    if (isLast || result !== "ok") end(result, error);
  };
