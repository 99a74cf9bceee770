import duckdb from "@duckdb/node-bindings";
import { Field, Null, Schema } from "apache-arrow";
import { BatchDecoder } from "../arrow/decode.ts";
import { decodeSchema } from "../arrow/schema.ts";
import { describedFieldOf } from "../arrow/types.ts";
import { cellValue } from "../arrow/values.ts";
import type { Connection } from "../duck/database.ts";
import { fromDuckError } from "../duck/errors.ts";
import { EiderError, messageOf } from "../errors.ts";

const { StatementType, Type } = duckdb;

/** Statement types that answer with rows. Everything else answers with a count. */
const QUERY_TYPES: ReadonlySet<number> = new Set([
  StatementType.SELECT,
  StatementType.EXPLAIN,
  StatementType.RELATION,
  StatementType.EXECUTE,
]);

/** Statement types that answer with rows, or only say that they have run: `Success BOOLEAN`. CHECKPOINT is a CALL. */
const COMMAND_TYPES: ReadonlySet<number> = new Set([StatementType.CALL, StatementType.PRAGMA]);

/** Statement types that give rows when they have RETURNING: then their columns are not the single `Count BIGINT`. */
const RETURNING_TYPES: ReadonlySet<number> = new Set([
  StatementType.INSERT,
  StatementType.UPDATE,
  StatementType.DELETE,
  StatementType.MERGE_INTO,
]);

/**
 * DuckLake 1.5.5 asks a Quack catalog for a table that need not be there, begins its transaction with the catalog anew when
 * that has failed, and remembers the answer. Another thread of the same statement that asks for its files between the two
 * fails so, before it has read or changed anything; it never does outside such a race.
 */
const LOST_RACE = /Failed to get data file list from DuckLake: Current transaction is aborted/;

/** Each may be lost once for every thread and table. */
const MOST_LOST_RACES = 10;

/** A parameter set: one DuckDB value per parameter, in order. */
export type ParameterSet = readonly duckdb.Value[];

/** One statement, prepared on one connection (https://duckdb.org/docs/stable/clients/c/prepared). */
export class Statement {
  readonly handle: duckdb.PreparedStatement;
  readonly type: number;
  readonly isUpdate: boolean;
  readonly parameterCount: number;
  readonly #connection: Connection;

  private constructor(connection: Connection, handle: duckdb.PreparedStatement) {
    this.#connection = connection;
    this.handle = handle;
    this.type = duckdb.prepared_statement_type(handle);
    this.parameterCount = duckdb.nparams(handle);
    this.isUpdate = isUpdate(this.type, handle);
  }

  /** A statement that DuckDB expands into several (PIVOT) runs all but the last of them here. */
  static async prepare(connection: Connection, sql: string): Promise<Statement> {
    try {
      return new Statement(connection, await connection.track("plan", duckdb.prepare(connection.handle, sql)));
    } catch (error) {
      if (!/multiple statements/.test(String(error))) throw fromDuckError(error);
    }
    try {
      return new Statement(connection, await connection.track("run", prepareLast(connection, sql)));
    } catch (error) {
      throw fromDuckError(error);
    }
  }

  /** Result columns, or undefined while one of them depends on a parameter's type. */
  get columns(): Array<{ name: string; type: duckdb.LogicalType }> | undefined {
    const columns: Array<{ name: string; type: duckdb.LogicalType }> = [];
    const count = duckdb.prepared_statement_column_count(this.handle);
    for (let i = 0; i < count; i++) {
      // The logical type of an unresolved column cannot even be asked for: the binding throws.
      if (duckdb.prepared_statement_column_type(this.handle, i) === Type.INVALID) return undefined;
      columns.push({
        name: duckdb.prepared_statement_column_name(this.handle, i),
        type: duckdb.prepared_statement_column_logical_type(this.handle, i),
      });
    }
    return columns;
  }

  get columnNames(): string[] {
    return Array.from({ length: duckdb.prepared_statement_column_count(this.handle) }, (_, i) =>
      duckdb.prepared_statement_column_name(this.handle, i),
    );
  }

  /** A field per parameter; one whose type DuckDB could not tell is of Arrow's null type. */
  get parameterSchema(): Schema {
    const fields = Array.from({ length: this.parameterCount }, (_, i) => {
      const name = this.#parameterName(i + 1);
      if (duckdb.param_type(this.handle, i + 1) === Type.INVALID) return new Field(name, new Null(), true);
      return describedFieldOf(name, duckdb.param_logical_type(this.handle, i + 1), true);
    });
    return new Schema(fields);
  }

  #parameterName(index: number): string {
    try {
      return duckdb.parameter_name(this.handle, index);
    } catch (error) {
      // DuckDB counts the parameters and binds by their numbers: of `$1, $3` the second cannot be bound.
      const message = "the statement's parameters have gaps in their numbers; number them $1, $2, … or write ?";
      throw new EiderError("sql_invalid", message, { cause: error });
    }
  }

  bind(values: ParameterSet): void {
    if (values.length !== this.parameterCount) {
      throw new EiderError(
        "sql_invalid",
        `the statement has ${this.parameterCount} parameters, but ${values.length} values were given`,
      );
    }
    duckdb.clear_bindings(this.handle);
    try {
      values.forEach((value, i) => {
        duckdb.bind_value(this.handle, i + 1, value);
      });
    } catch (error) {
      throw fromDuckError(error);
    }
  }

  /** Rows as they are computed; `isSmall`: all at once. */
  async stream(isSmall = false): Promise<duckdb.Result> {
    return await this.#run(isSmall ? duckdb.execute_prepared : duckdb.execute_prepared_streaming);
  }

  /** Runs to the end; resolves to the number of changed rows. */
  async execute(): Promise<number> {
    return duckdb.rows_changed(await this.#run(duckdb.execute_prepared));
  }

  /** In a transaction the repetition fails too: it is aborted. */
  async #run(execute: (handle: duckdb.PreparedStatement) => Promise<duckdb.Result>): Promise<duckdb.Result> {
    for (let lost = 0; ; lost++) {
      try {
        return await this.#connection.track("run", execute(this.handle));
      } catch (error) {
        if (lost === MOST_LOST_RACES || !LOST_RACE.test(messageOf(error))) throw fromDuckError(error);
      }
    }
  }

  close(): void {
    duckdb.destroy_prepare_sync(this.handle);
  }
}

/** Runs all statements of the text but the last, which it prepares. */
async function prepareLast(connection: Connection, sql: string): Promise<duckdb.PreparedStatement> {
  const { extracted_statements: extracted, statement_count: count } = await duckdb.extract_statements(
    connection.handle,
    sql,
  );
  if (count === 0) throw new EiderError("sql_invalid", duckdb.extract_statements_error(extracted));
  for (let i = 0; i < count - 1; i++) {
    const part = await duckdb.prepare_extracted_statement(connection.handle, extracted, i);
    await duckdb.execute_prepared(part);
    duckdb.destroy_prepare_sync(part);
  }
  return await duckdb.prepare_extracted_statement(connection.handle, extracted, count - 1);
}

function isUpdate(type: number, handle: duckdb.PreparedStatement): boolean {
  if (QUERY_TYPES.has(type)) return false;
  if (COMMAND_TYPES.has(type)) return hasOnly(handle, "Success", Type.BOOLEAN);
  return !RETURNING_TYPES.has(type) || hasOnly(handle, "Count", Type.BIGINT);
}

function hasOnly(handle: duckdb.PreparedStatement, name: string, type: number): boolean {
  return (
    duckdb.prepared_statement_column_count(handle) === 1 &&
    duckdb.prepared_statement_column_name(handle, 0) === name &&
    duckdb.prepared_statement_column_type(handle, 0) === type
  );
}

/**
 * Parameter sets of an IPC stream, a row each; a schema without columns is one empty set. `expected`: the parameters as the
 * statement has them.
 */
export function parameterSets(
  parameters: {
    readonly schema: Uint8Array;
    readonly batches: ReadonlyArray<{ readonly header: Uint8Array; readonly body: Uint8Array }>;
  },
  expected?: Uint8Array,
): ParameterSet[] {
  const schema = decodeSchema(parameters.schema);
  if (schema.fields.length === 0) return [[]];
  const targets = expected ? decodeSchema(expected).fields : [];
  const decoder = new BatchDecoder(schema, { use: "bind" });
  const sets: ParameterSet[] = [];
  for (const message of parameters.batches) {
    const batch = decoder.decode(message);
    if (!batch) continue;
    for (let row = 0; row < batch.rowCount; row++) {
      sets.push(
        batch.columns.map((column, i) => {
          const field = schema.fields[i];
          if (!field) throw new EiderError("request_invalid", "a parameter batch has more columns than its schema");
          return cellValue(column, field, row, targets[i]);
        }),
      );
    }
  }
  return sets;
}
