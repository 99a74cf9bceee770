import { columnNamed } from "../base/table.ts";
import { EiderError } from "../errors.ts";
import type { ExecuteOptions, Parameters, Prepared, StatementInfo, StatementResult } from "../flight/backend.ts";
import { describeFor } from "../ingest/targets.ts";
import { withDefaultValues } from "../query/default-values.ts";
import type { QueueInsert } from "../query/own-statement.ts";
import type { SessionContext } from "./context.ts";

type PrepareInsert = (statement: QueueInsert, options: ExecuteOptions) => Promise<Prepared>;

/**
 * `INSERT INTO duckling_queue.t` whose VALUES have DEFAULTs: the insert of what these mean, made anew for an execution when
 * tables have been changed since.
 */
export class DefaultInsertStatement implements Prepared {
  readonly info: StatementInfo;
  readonly #context: SessionContext;
  readonly #statement: QueueInsert;
  readonly #prepareInsert: PrepareInsert;
  readonly #first: Prepared;
  readonly #version: string;

  private constructor(
    context: SessionContext,
    statement: QueueInsert,
    prepareInsert: PrepareInsert,
    first: Prepared,
    version: string,
  ) {
    this.info = first.info;
    this.#context = context;
    this.#statement = statement;
    this.#prepareInsert = prepareInsert;
    this.#first = first;
    this.#version = version;
  }

  static async prepare(
    context: SessionContext,
    statement: QueueInsert,
    prepareInsert: PrepareInsert,
    options: ExecuteOptions,
  ): Promise<DefaultInsertStatement> {
    const version = await context.services.lake.definitionsVersion();
    const first = await prepareInsert(await withDefaults(context, statement, options), options);
    return new DefaultInsertStatement(context, statement, prepareInsert, first, version);
  }

  async execute(parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult> {
    if (this.#version === (await this.#context.services.lake.definitionsVersion())) {
      return await this.#first.execute(parameters, options);
    }
    const resolved = await withDefaults(this.#context, this.#statement, options);
    await using insert = await this.#prepareInsert(resolved, options);
    return await insert.execute(parameters, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#first[Symbol.asyncDispose]();
  }
}

async function withDefaults(
  { services, sql }: SessionContext,
  statement: QueueInsert,
  options: ExecuteOptions,
): Promise<QueueInsert> {
  const target = { schema: services.names.targetSchema, table: statement.table };
  const shape = await describeFor(services, sql, sql.transactionFor(options.transaction), target);
  if (!shape) {
    throw new EiderError(
      "table_not_found",
      `table ${target.schema}.${target.table} does not exist, and DEFAULT has no meaning without it; CREATE TABLE it first, ` +
        "or write the values",
    );
  }
  const names = statement.columns ?? shape.columns.map(({ name }) => name);
  const defaults = names.map((name) => {
    const column = columnNamed(shape.columns, name);
    return column?.default === undefined ? "NULL" : `CAST(${column.default} AS ${column.type})`;
  });
  return { ...statement, source: withDefaultValues(statement.source, defaults) };
}
