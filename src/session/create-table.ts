import { refuseUnstorable } from "../arrow/types.ts";
import { type Target, targetName } from "../base/target.ts";
import { LAKE } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import type { ExecuteOptions, Parameters, Prepared, StatementInfo, StatementResult } from "../flight/backend.ts";
import { whileDefining } from "../ingest/definitions.ts";
import { checkTableName, createTableStatements } from "../lake/ddl.ts";
import { settleSchema } from "../lake/settled-schema.ts";
import type { CreateTable } from "../query/own-statement.ts";
import type { Slot } from "../query/slot.ts";
import { type Transaction, whileUsing } from "../query/sql-session.ts";
import type { Piece } from "../query/tokens.ts";
import type { SessionContext } from "./context.ts";
import { EngineStatement } from "./engine-statement.ts";
import { flushBeforeChange } from "./read-barrier.ts";
import { createdAs, readDefinition, refuseUnstorableResult, type TableDefinition } from "./table-definition.ts";

/**
 * CREATE TABLE in the lake: types that it would store wrongly are refused, and a PRIMARY KEY, which DuckLake does not
 * take, is kept with the table. Statements for other databases pass through.
 */
export class CreateTableStatement implements Prepared {
  readonly info: StatementInfo = { schema: undefined, parameterSchema: undefined, isUpdate: true };
  readonly #context: SessionContext;
  readonly #statement: CreateTable;
  readonly #target: Target;
  readonly #definition: TableDefinition;

  private constructor(context: SessionContext, statement: CreateTable, target: Target, definition: TableDefinition) {
    this.#context = context;
    this.#statement = statement;
    this.#target = target;
    this.#definition = definition;
  }

  static async prepare(
    context: SessionContext,
    statement: CreateTable,
    piece: Piece,
    options: ExecuteOptions,
  ): Promise<Prepared> {
    const open = context.sql.transactionFor(options.transaction);
    const target = await context.sql.onSlot(open?.hasBegun ? open : undefined, async (slot) => {
      const found = await lakeTarget(slot, statement.name);
      if (found) checkTableName(found);
      const query = createdAs(statement);
      if (found && query) await refuseUnstorableResult(slot.connection, query);
      return found && !query ? found : undefined;
    });
    if (!target) return EngineStatement.prepare(context, piece, options);
    const definition = await readDefinition(context.services.scratch, statement).catch(async (error) => {
      // The scratch database was given another text: what is wrong is told with its place in the user's own.
      await (await EngineStatement.prepare(context, piece, options))[Symbol.asyncDispose]();
      throw error;
    });
    for (const column of definition.columns) refuseUnstorable(column);
    if (definition.primaryKey.length === 0) return EngineStatement.prepare(context, piece, options);
    return new CreateTableStatement(context, statement, target, definition);
  }

  async execute(_parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult> {
    const transaction = this.#context.sql.transactionFor(options.transaction);
    await whileUsing(transaction, () => this.#create(transaction));
    return { kind: "count", count: 0 };
  }

  async #create(transaction: Transaction | undefined): Promise<void> {
    const { services, sql } = this.#context;
    const { orReplace, ifNotExists } = this.#statement;
    const shape = { target: this.#target, ...this.#definition };
    if (orReplace) await flushBeforeChange(services, this.#target);
    const create = async (slot: Slot) => {
      const run = async () => {
        if (await tableExists(slot, this.#target)) {
          if (ifNotExists) return;
          if (!orReplace) throw new EiderError("already_exists", `table ${targetName(this.#target)} already exists`);
        }
        await settleSchema(slot.connection);
        for (const text of createTableStatements(shape, { orReplace, ifNotExists })) await slot.connection.run(text);
      };
      await (slot.isInTransaction ? run() : slot.connection.transaction(run));
    };
    const run = () => sql.onSlot(transaction, create);
    const committer = orReplace || ifNotExists ? "ensure" : "define";
    await whileDefining(services.lake, transaction, () => (transaction ? run() : services.lake.commit(committer, run)));
    // After whileDefining, whose own work at the transaction's end comes first.
    if (transaction) transaction.atEnd(() => services.lake.mirrorKey(this.#target));
    else await services.lake.mirrorKey(this.#target);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The lake table that a name in CREATE TABLE means in this session; undefined when it is in another database. */
async function lakeTarget(slot: Slot, name: readonly string[]): Promise<Target | undefined> {
  const [current] = await slot.connection.rows("SELECT current_database() AS database, current_schema() AS schema");
  const database = String(current?.["database"]);
  const [first, second, third] = name;
  if (first !== undefined && second !== undefined && third !== undefined) {
    return first.toLowerCase() === LAKE ? { schema: second, table: third } : undefined;
  }
  if (first !== undefined && second !== undefined) {
    const isDatabase =
      (await slot.connection.rows("SELECT 1 FROM duckdb_databases() WHERE database_name = $name", { name: first }))
        .length > 0;
    if (isDatabase && first.toLowerCase() !== LAKE) return undefined;
    if (isDatabase) return { schema: "main", table: second };
    return database === LAKE ? { schema: first, table: second } : undefined;
  }
  return database === LAKE && first !== undefined ? { schema: String(current?.["schema"]), table: first } : undefined;
}

async function tableExists(slot: Slot, target: Target): Promise<boolean> {
  const found = await slot.connection.rows(
    `SELECT 1 FROM duckdb_tables() WHERE database_name = '${LAKE}'
       AND lower(schema_name) = lower($schema) AND lower(table_name) = lower($table)`,
    { schema: target.schema, table: target.table },
  );
  return found.length > 0;
}
