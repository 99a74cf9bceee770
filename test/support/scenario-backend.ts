import { randomUUID } from "node:crypto";
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue, StatementType } from "@duckdb/node-api";
import type { Schema } from "apache-arrow";
import type { Principal } from "../../src/access/principal.ts";
import { decodeSchema, encapsulate, encodeSchema } from "../../src/arrow/schema.ts";
import { must } from "../../src/base/assert.ts";
import { fromDuckError } from "../../src/duck/errors.ts";
import { EiderError } from "../../src/errors.ts";
import type {
  Backend,
  ClientTraits,
  ExecuteOptions,
  Frame,
  IngestOptions,
  IngestStream,
  Parameters,
  Prepared,
  PutStream,
  RowStream,
  Session,
  SessionOptionValue,
  StatementInfo,
  StatementResult,
} from "../../src/flight/backend.ts";
import { readMessage } from "../../src/flight/message.ts";
import { type MetadataCommand, metadataSchema } from "../../src/flight/metadata-schemas.ts";
import { arrowType, framesOfColumns, rowsOfFrames, schemaOf, sqlType } from "./scenario-arrow.ts";
import { ScenarioCounts, streamOf } from "./scenario-stream.ts";

/** A backend on an in-memory DuckDB, small and exact, for driving the protocol layer with real clients. */
export class ScenarioBackend implements Backend, AsyncDisposable {
  readonly counts = new ScenarioCounts();
  readonly #instance: DuckDBInstance;
  readonly #SessionType: typeof ScenarioSession;

  private constructor(instance: DuckDBInstance, SessionType: typeof ScenarioSession) {
    this.#instance = instance;
    this.#SessionType = SessionType;
  }

  static async open(SessionType: typeof ScenarioSession = ScenarioSession): Promise<ScenarioBackend> {
    return new ScenarioBackend(await DuckDBInstance.create(":memory:"), SessionType);
  }

  async openSession(_principal: Principal, client: ClientTraits): Promise<Session> {
    this.counts.openedSessions++;
    this.counts.clients.push(client);
    return new this.#SessionType(await this.#instance.connect(), this.counts);
  }

  async listTables(): Promise<Array<{ path: string[]; schema: Uint8Array }>> {
    const connection = await this.#instance.connect();
    const found = await connection.runAndReadAll("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY 1, 2");
    const tables = [];
    for (const [schema, table] of found.getRows()) {
      const prepared = await connection.prepare(`SELECT * FROM "${schema}"."${table}"`);
      const names = Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnName(index));
      const types = names.map((_, index) => arrowType(prepared.columnType(index)));
      tables.push({ path: [String(schema), String(table)], schema: encodeSchema(schemaOf(names, types)) });
    }
    connection.closeSync();
    return tables;
  }

  /** The action without a name says who calls. */
  async action(principal: Principal, type: string): Promise<Uint8Array | undefined> {
    return type === "" ? Buffer.from(principal.name) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#instance.closeSync();
  }
}

const QUERIES: ReadonlySet<StatementType> = new Set([StatementType.SELECT, StatementType.EXPLAIN, StatementType.CALL]);

export class ScenarioSession implements Session {
  readonly id = randomUUID();
  readonly #connection: DuckDBConnection;
  readonly #counts: ScenarioCounts;
  #transaction: string | undefined;
  /** Statements take turns: DuckDB ends an open result when its connection runs another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(connection: DuckDBConnection, counts: ScenarioCounts) {
    this.#connection = connection;
    this.#counts = counts;
  }

  async prepare(sql: string, options: ExecuteOptions): Promise<Prepared> {
    this.#check(options.transaction);
    const stream = streamOf(sql, this.#counts);
    if (stream) return stream;
    const info = await this.inTurn(() => this.#describe(sql));
    this.#counts.openPrepared++;
    return {
      info,
      describe: async () => info.schema,
      execute: (parameters, executeOptions) => {
        this.#check(executeOptions.transaction);
        return this.inTurn(() => this.#execute(sql, info, parameters, executeOptions.signal));
      },
      [Symbol.asyncDispose]: async () => void this.#counts.openPrepared--,
    };
  }

  async beginTransaction(): Promise<string> {
    await this.inTurn(() => this.#connection.run("BEGIN"));
    this.#transaction = randomUUID();
    return this.#transaction;
  }

  async endTransaction(id: string, action: "commit" | "rollback"): Promise<void> {
    this.#check(id);
    this.#transaction = undefined;
    await this.inTurn(() => this.#connection.run(action));
  }

  async ingest(options: IngestOptions, schemaMessage: Uint8Array): Promise<IngestStream> {
    const schema = decodeSchema(schemaMessage);
    const exists = await this.#exists(options.table);
    if (exists && options.ifExists === "fail") throw new EiderError("already_exists", `table ${options.table} exists`);
    if (!exists && options.ifNotExists === "fail") throw new EiderError("table_not_found", `no table ${options.table}`);
    const frames: Frame[] = [];
    let finished = false;
    this.#counts.openedIngests++;
    return {
      write: async (frame) => void frames.push(frame),
      finish: async () => {
        finished = true;
        if (options.ifExists === "replace")
          await this.inTurn(() => this.#connection.run(`DROP TABLE IF EXISTS "${options.table}"`));
        await this.#create(options.table, schema, options.temporary);
        return await this.#insert(options.table, schemaMessage, frames);
      },
      abort: async () => {
        if (!finished) this.#counts.ingestsAborted++;
        finished = true;
      },
    };
  }

  /** `{"fail": true}` as a batch's app_metadata refuses it. */
  async put(path: readonly string[], schemaMessage: Uint8Array): Promise<PutStream> {
    const table = must(path.at(-1), "a path");
    await this.#create(table, decodeSchema(schemaMessage), false);
    let seq = 0;
    const dictionaries: Frame[] = [];
    return {
      put: async (frame, metadata) => {
        if (readMessage(frame.header).kind === "dictionary") {
          dictionaries.push(frame);
          return undefined;
        }
        if (metadata && JSON.parse(Buffer.from(metadata).toString("utf8")).fail) {
          throw new EiderError("schema_mismatch", "this batch was asked to fail");
        }
        this.#counts.putsInFlight++;
        this.#counts.mostPutsInFlight = Math.max(this.#counts.mostPutsInFlight, this.#counts.putsInFlight);
        seq++;
        const own = seq;
        const rows = await this.#insert(table, schemaMessage, [...dictionaries, frame]);
        this.#counts.putsInFlight--;
        return { rows, seq: own };
      },
      close: async () => undefined,
    };
  }

  async metadata(command: string, request: Readonly<Record<string, unknown>>): Promise<RowStream> {
    const schema = metadataSchema(command as MetadataCommand, request);
    const table = request["table_name_filter_pattern"] ?? "%";
    const sources: Readonly<Record<string, string>> = {
      CommandGetCatalogs: "SELECT 'memory' AS catalog_name",
      CommandGetDbSchemas: "SELECT 'memory' AS catalog_name, 'main' AS db_schema_name",
      CommandGetTables: `SELECT 'memory' AS catalog_name, schema_name AS db_schema_name, table_name, 'TABLE' AS table_type
        FROM duckdb_tables() WHERE table_name LIKE '${String(table).replaceAll("'", "''")}' ESCAPE '\\' ORDER BY 3`,
      CommandGetTableTypes: "SELECT 'TABLE' AS table_type",
    };
    const sql = sources[command];
    const found = sql ? (await this.inTurn(() => this.#connection.runAndReadAll(sql))).getRowObjectsJS() : [];
    const columns: unknown[][] = [];
    for (const field of schema.fields) {
      const column = [];
      for (const row of found) {
        column.push(
          field.name === "table_schema" ? await this.#tableSchema(String(row["table_name"])) : row[field.name],
        );
      }
      columns.push(column);
    }
    return this.#rows(schema, columns);
  }

  async getOptions(): Promise<Record<string, SessionOptionValue>> {
    return { catalog: "memory", schema: "main", big: 9007199254740993n, ratio: 0.5, on: true, list: ["a", "b"] };
  }

  async setOptions(
    options: Readonly<Record<string, SessionOptionValue | undefined>>,
  ): Promise<Record<string, "invalid_name" | "invalid_value" | "error">> {
    if (options["catalog"] !== undefined && options["catalog"] !== "memory") {
      throw new EiderError("not_found", `there is no catalog ${String(options["catalog"])}`);
    }
    return Object.fromEntries(
      Object.keys(options)
        .filter((name) => !["catalog", "schema"].includes(name))
        .map((name) => [name, "invalid_name"]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    this.#connection.closeSync();
    this.#counts.closedSessions++;
  }

  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    try {
      return await result;
    } catch (error) {
      throw fromDuckError(error);
    }
  }

  #check(transaction: string | undefined): void {
    if (transaction !== undefined && transaction !== this.#transaction) {
      throw new EiderError("not_found", `there is no transaction ${transaction}`);
    }
  }

  async #describe(sql: string): Promise<StatementInfo> {
    const prepared = await this.#connection.prepare(sql);
    const isUpdate = !QUERIES.has(prepared.statementType) && !/\bRETURNING\b/i.test(sql);
    const count = prepared.parameterCount;
    const parameterTypes = Array.from({ length: count }, (_, index) =>
      prepared.parameterTypeId(index + 1) === 0 ? undefined : prepared.parameterType(index + 1),
    );
    const names = Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnName(index));
    const known = names.every((_, index) => prepared.columnTypeId(index) !== 0);
    const types = known ? names.map((_, index) => arrowType(prepared.columnType(index))) : [];
    return {
      isUpdate,
      schema: isUpdate || !known ? undefined : encodeSchema(schemaOf(names, types)),
      parameterSchema:
        count === 0
          ? undefined
          : encodeSchema(
              schemaOf(
                parameterTypes.map((_, index) => `$${index + 1}`),
                parameterTypes.map(arrowType),
              ),
            ),
    };
  }

  async #execute(
    sql: string,
    info: StatementInfo,
    parameters: Parameters | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StatementResult> {
    if (signal?.aborted) throw signal.reason;
    const interrupt = () => this.#connection.interrupt();
    signal?.addEventListener("abort", interrupt, { once: true });
    try {
      const sets = parameters
        ? rowsOfFrames(parameters.schema, parameters.batches).map((row) => Object.values(row))
        : [undefined];
      let count = 0;
      let schema: Schema | undefined = info.schema && decodeSchema(info.schema);
      const columns: unknown[][] = [];
      for (const values of sets) {
        const result = await this.#connection.runAndReadAll(sql, values as DuckDBValue[] | undefined);
        if (info.isUpdate) count += result.rowsChanged;
        schema ??= schemaOf(result.columnNames(), result.columnTypes().map(arrowType));
        result.getColumnsJS().forEach((column, index) => {
          columns[index] = [...(columns[index] ?? []), ...column];
        });
      }
      if (info.isUpdate) return { kind: "count", count };
      return { kind: "rows", rows: this.#rows(must(schema, "a schema"), columns) };
    } finally {
      signal?.removeEventListener("abort", interrupt);
    }
  }

  #rows(schema: Schema, columns: readonly (readonly unknown[])[]): RowStream {
    const counts = this.#counts;
    counts.openRows++;
    return {
      schema: encodeSchema(schema),
      async *frames() {
        yield* framesOfColumns(schema, columns);
      },
      cancel: () => undefined,
      [Symbol.asyncDispose]: async () => void counts.openRows--,
    };
  }

  async #exists(table: string): Promise<boolean> {
    const found = await this.inTurn(() =>
      this.#connection.runAndReadAll("SELECT 1 FROM duckdb_tables() WHERE table_name = $1", [table]),
    );
    return found.currentRowCount > 0;
  }

  async #create(table: string, schema: Schema, temporary: boolean): Promise<void> {
    const columns = schema.fields.map((field) => `"${field.name}" ${sqlType(field.type)}`).join(", ");
    const kind = temporary ? "TEMP TABLE" : "TABLE";
    await this.inTurn(() => this.#connection.run(`CREATE ${kind} IF NOT EXISTS "${table}" (${columns})`));
  }

  async #insert(table: string, schema: Uint8Array, frames: readonly Frame[]): Promise<number> {
    const rows = rowsOfFrames(schema, frames);
    for (const row of rows) {
      const places = Object.keys(row).map((_, index) => `$${index + 1}`);
      await this.inTurn(() =>
        this.#connection.run(
          `INSERT INTO "${table}" VALUES (${places.join(", ")})`,
          Object.values(row) as DuckDBValue[],
        ),
      );
    }
    return rows.length;
  }

  async #tableSchema(table: string): Promise<Uint8Array> {
    const { schema } = await this.inTurn(() => this.#describe(`SELECT * FROM "${table}"`));
    return encapsulate(must(schema, "a table has a schema"));
  }
}
