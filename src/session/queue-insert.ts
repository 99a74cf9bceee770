import type { Schema } from "apache-arrow";
import { encodeSchema, NO_COLUMNS } from "../arrow/schema.ts";
import { type Column, columnNamed, type TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { StageStream } from "../buffer/types.ts";
import type { Connection } from "../duck/database.ts";
import { lakeTable, quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import type { ExecuteOptions, Parameters, Prepared, StatementInfo, StatementResult } from "../flight/backend.ts";
import { directWriteInto, writeDirect } from "../ingest/direct-write.ts";
import { describeFor, newTable, readyBuffer, storableColumns } from "../ingest/targets.ts";
import { createTableStatements } from "../lake/ddl.ts";
import { combineSets, type Round } from "../query/many-rows.ts";
import type { QueueInsert } from "../query/own-statement.ts";
import { ResultStream } from "../query/result-stream.ts";
import { interruptible, throwIfAborted } from "../query/slot.ts";
import { type Transaction, whileUsing } from "../query/sql-session.ts";
import { type ParameterSet, parameterSets, Statement } from "../query/statement.ts";
import { type Piece, tokenize } from "../query/tokens.ts";
import { typedText } from "../query/typed-text.ts";
import { type ValuesList, valuesList } from "../query/values-list.ts";
import type { SessionContext } from "./context.ts";
import { type Batches, batchesWithoutQuery } from "./rows-without-query.ts";

/** `shape`: of the table that was written to; undefined when nothing was to be written. */
interface Written {
  readonly shape: TableShape | undefined;
  readonly count: number;
}

/** The source as a query of its own, prepared once. */
interface PreparedSource {
  readonly parameterSchema: Uint8Array;
  /** Undefined where they can depend on parameters; good as long as nothing is defined anew. */
  readonly columns: { readonly version: string; readonly names: readonly string[] } | undefined;
}

/**
 * `INSERT INTO duckling_queue.t …`: the source runs once, as a query of its own whose columns are cast to the table's,
 * and its rows go to the table's buffer; in a transaction straight to the lake. All rows or none. Rows that are written
 * out in the statement, or bound to it, need no query: they go to the buffer as they are.
 */
export class QueueInsertStatement implements Prepared {
  readonly info: StatementInfo;
  readonly #context: SessionContext;
  readonly #statement: QueueInsert;
  readonly #source: Piece;
  readonly #values: ValuesList | undefined;
  /** Undefined for a list of literals, which mostly needs none. */
  readonly #prepared: PreparedSource | undefined;

  private constructor(
    context: SessionContext,
    statement: QueueInsert,
    source: Piece,
    values: ValuesList | undefined,
    prepared: PreparedSource | undefined,
  ) {
    this.#context = context;
    this.#statement = statement;
    this.#source = source;
    this.#values = values;
    this.#prepared = prepared;
    this.info = { schema: undefined, parameterSchema: prepared?.parameterSchema ?? NO_COLUMNS, isUpdate: true };
  }

  static async prepare(
    context: SessionContext,
    statement: QueueInsert,
    options: ExecuteOptions,
  ): Promise<QueueInsertStatement> {
    const source = { sql: statement.source, tokens: tokenize(statement.source) };
    const values = statement.byName ? undefined : valuesList(source.sql, source.tokens);
    if (values?.kind === "literals") return new QueueInsertStatement(context, statement, source, values, undefined);
    const prepared = await QueueInsertStatement.#prepareSource(context, statement, options);
    return new QueueInsertStatement(context, statement, source, values, prepared);
  }

  static async #prepareSource(
    context: SessionContext,
    statement: QueueInsert,
    options: ExecuteOptions,
  ): Promise<PreparedSource> {
    const open = context.sql.transactionFor(options.transaction);
    const version = await context.services.lake.definitionsVersion();
    return context.sql.onSlot(open?.hasBegun ? open : undefined, async (slot) => {
      const source = await Statement.prepare(slot.connection, statement.source);
      try {
        if (source.parameterCount === 0) {
          const columns = { version, names: source.columnNames };
          return { parameterSchema: encodeSchema(source.parameterSchema), columns };
        }
        const target = { schema: context.services.names.targetSchema, table: statement.table };
        const asInserted = await parametersOfInsert(slot.connection, target, statement);
        return { parameterSchema: encodeSchema(asInserted ?? source.parameterSchema), columns: undefined };
      } finally {
        source.close();
      }
    });
  }

  async execute(parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult> {
    const transaction = this.#context.sql.transactionFor(options.transaction);
    return whileUsing(transaction, () => this.#insert(transaction, parameters, options));
  }

  async #insert(
    transaction: Transaction | undefined,
    parameters: Parameters | undefined,
    options: ExecuteOptions,
  ): Promise<StatementResult> {
    const { services, sql } = this.#context;
    const startedMs = performance.now();
    const target: Target = { schema: services.names.targetSchema, table: this.#statement.table };
    const shape = await describeFor(services, sql, transaction, target);
    const batches =
      shape && !transaction ? batchesWithoutQuery(shape, this.#statement.columns, this.#values, parameters) : undefined;
    try {
      const { shape: written, count } =
        shape && batches
          ? await this.#append(shape, batches, options)
          : await this.#runQuery(target, shape, transaction, parameters, options);
      if (written)
        services.observer.wrote(written.target, "insert", "appended", count, 0, performance.now() - startedMs);
      return { kind: "count", count };
    } catch (error) {
      services.observer.wrote(target, "insert", "rejected", 0, 0, performance.now() - startedMs);
      throw error;
    }
  }

  async #append(known: TableShape, { schema, batches }: Batches, { signal }: ExecuteOptions): Promise<Written> {
    const { services, id } = this.#context;
    const shape = await readyBuffer(services, known.target, () => known.columns);
    throwIfAborted(signal);
    const stage = await services.buffers.stage(shape.target, shape, schema, id);
    try {
      for (const batch of batches) await stage.write(batch);
      const { rows } = await stage.publish({ op: opFor(shape) });
      return { shape, count: rows };
    } catch (error) {
      await stage.discard();
      throw error;
    }
  }

  async #runQuery(
    target: Target,
    known: TableShape | undefined,
    transaction: Transaction | undefined,
    parameters: Parameters | undefined,
    options: ExecuteOptions,
  ): Promise<Written> {
    const { services, sql, id } = this.#context;
    await this.#context.waitForReads(this.#source.tokens);
    const sets = parameters ? parameterSets(parameters, this.info.parameterSchema) : [[]];
    let shape = known;
    const select = await this.#castingSelect(shape, sets[0] ?? [], transaction);
    let stage: StageStream | undefined;
    let prepare: readonly string[] = [];
    try {
      for (const round of combineSets(this.#source, sets)) {
        await using rows = await this.#rowsOf(select(round.sql), round, transaction, options);
        if (!transaction) shape = await readyBuffer(services, target, () => storableColumns(rows.schema));
        else if (!shape) {
          // Made in the transaction, so that a rollback leaves nothing of it.
          shape = newTable(services, target, storableColumns(rows.schema));
          prepare = createTableStatements(shape);
        }
        stage ??= await services.buffers.stage(transaction ? undefined : shape.target, shape, rows.schema, id);
        for await (const frame of rows.frames()) await stage.write(frame);
      }
      if (!stage || !shape) return { shape: undefined, count: 0 };
      const columns = shape.columns.map((column) => column.name);
      const count = transaction
        ? await writeDirect(services.lake, sql, transaction, stage, directWriteInto(shape, columns, prepare))
        : (await stage.publish({ op: opFor(shape) })).rows;
      return { shape, count };
    } catch (error) {
      await stage?.discard();
      throw error;
    }
  }

  #rowsOf(
    text: string,
    round: Round,
    transaction: Transaction | undefined,
    options: ExecuteOptions,
  ): Promise<ResultStream> {
    const { services, sql } = this.#context;
    return sql.onSlot(transaction?.hasBegun ? transaction : undefined, (slot) =>
      interruptible(slot, options.signal, async () => {
        const statement = await Statement.prepare(slot.connection, text);
        try {
          statement.bind(round.set);
          return await services.ahead.start(slot.connection, async (ahead) => {
            const stream = new ResultStream(slot, await statement.stream(), {
              spool: services.spool,
              ahead,
              source: { detached: () => sql.slots.detached(), sql: text, set: round.set, canRepeat: true },
            });
            slot.occupy(stream);
            return stream;
          });
        } finally {
          statement.close();
        }
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Makes of a source a query whose columns are named and cast as the table has them, as INSERT would assign them. */
  async #castingSelect(
    shape: TableShape | undefined,
    set: ParameterSet,
    transaction: Transaction | undefined,
  ): Promise<(source: string) => string> {
    const { columns: named, byName } = this.#statement;
    const columns = await this.#sourceColumns(set, transaction);
    if (byName) {
      if (!shape) return (source) => source;
      const given = columns.map((name) => castTo(quoteIdentifier(name), columnOf(shape, name)));
      const selected = [...given, ...defaultsBeside(columns, shape)].join(", ");
      return (source) => `SELECT ${selected} FROM (${source}) AS source`;
    }
    const wanted = named ?? shape?.columns.map((column) => column.name) ?? columns;
    if (wanted.length !== columns.length) {
      throw new EiderError(
        "sql_invalid",
        `Binder Error: table ${this.#statement.table} has ${wanted.length} columns to insert into but ${columns.length} values were supplied`,
      );
    }
    const aliases = columns.map((_, i) => `c${i}`).join(", ");
    const given = wanted.map((name, i) =>
      shape ? castTo(`c${i}`, columnOf(shape, name)) : `c${i} AS ${quoteIdentifier(name)}`,
    );
    const selected = [...given, ...(shape ? defaultsBeside(wanted, shape) : [])].join(", ");
    return (source) => `SELECT ${selected} FROM (${source}) AS source(${aliases})`;
  }

  /** The source's column names; how many there are can depend on its parameters being typed. */
  async #sourceColumns(set: ParameterSet, transaction: Transaction | undefined): Promise<readonly string[]> {
    const columns = this.#prepared?.columns;
    if (columns && columns.version === (await this.#context.services.lake.definitionsVersion())) return columns.names;
    return this.#context.sql.onSlot(transaction?.hasBegun ? transaction : undefined, async (slot) => {
      const statement = await Statement.prepare(slot.connection, typedText(this.#source, set));
      try {
        return statement.columnNames;
      } finally {
        statement.close();
      }
    });
  }
}

const opFor = (shape: TableShape) => (shape.primaryKey.length > 0 ? "upsert" : "insert");

/** What the columns make of the source's parameters; undefined when there is no such table yet, or the two do not fit. */
async function parametersOfInsert(
  connection: Connection,
  target: Target,
  { columns, byName, source }: QueueInsert,
): Promise<Schema | undefined> {
  const names = columns === undefined ? "" : ` (${columns.map(quoteIdentifier).join(", ")})`;
  try {
    const insert = await Statement.prepare(
      connection,
      `INSERT INTO ${lakeTable(target)}${names}${byName ? " BY NAME" : ""} ${source}`,
    );
    try {
      return insert.parameterSchema;
    } finally {
      insert.close();
    }
  } catch {
    return undefined;
  }
}

function columnOf(shape: TableShape, name: string): Column {
  const column = columnNamed(shape.columns, name);
  if (column) return column;
  throw new EiderError(
    "sql_invalid",
    `Binder Error: table ${shape.target.table} does not have a column with name "${name}"`,
  );
}

/** What INSERT gives the columns that it does not name. */
function defaultsBeside(names: readonly string[], shape: TableShape): string[] {
  const given = new Set(names.map((name) => name.toLowerCase()));
  const others = shape.columns.filter(({ name }) => !given.has(name.toLowerCase()));
  return others.flatMap((column) => (column.default === undefined ? [] : castTo(column.default, column)));
}

function castTo(expression: string, column: Column): string {
  return `CAST(${expression} AS ${column.type}) AS ${quoteIdentifier(column.name)}`;
}
