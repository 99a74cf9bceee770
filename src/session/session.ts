import { randomUUID } from "node:crypto";
import type { Principal } from "../access/principal.ts";
import { encodeSchema } from "../arrow/schema.ts";
import type { ResultTypeOptions } from "../arrow/types.ts";
import { encodeTable } from "../arrow/values.ts";
import { type Consistency, consistencyOf } from "../base/consistency.ts";
import { targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE, qualifiedName } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import type {
  ExecuteOptions,
  IngestOptions,
  IngestStream,
  Prepared,
  PutStream,
  RowStream,
  Session,
  SessionOptionValue,
} from "../flight/backend.ts";
import { type MetadataCommand, metadataSchema } from "../flight/metadata-schemas.ts";
import { BulkIngest } from "../ingest/bulk-ingest.ts";
import { PathPut } from "../ingest/path-put.ts";
import { MOST_AHEAD_BYTES } from "../query/compute-ahead.ts";
import { answerMetadata } from "../query/metadata.ts";
import { recognize, targetOf } from "../query/own-statement.ts";
import { SqlSession } from "../query/sql-session.ts";
import { type Piece, splitStatements, type Token, withoutComments } from "../query/tokens.ts";
import type { SessionContext } from "./context.ts";
import { EngineStatement } from "./engine-statement.ts";
import type { Guard } from "./guard.ts";
import { GuardedStatement } from "./guarded-statement.ts";
import { prepareOwn, ScriptStatement } from "./own-statements.ts";
import { explainQueueMisuse } from "./queue-misuse.ts";
import { ReadBarrier } from "./read-barrier.ts";
import { frameRows } from "./row-streams.ts";
import type { SessionServices } from "./services.ts";

/** A connection for statements of clients; the caller closes it. */
export async function connect({ lake }: SessionServices): Promise<Connection> {
  const connection = await lake.connect();
  try {
    await connection.run(`SET streaming_buffer_size = '${MOST_AHEAD_BYTES}B'`);
    // For PollFlightInfo; it is measured only with the bar, which must not be printed.
    await connection.run("SET enable_progress_bar = true");
    await connection.run("SET enable_progress_bar_print = false");
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** A client connection: DuckDB's SQL on the lake, Eider's own statements, and the routes by which rows come in. */
export class ClientSession implements Session, SessionContext {
  readonly id = randomUUID();
  readonly principal: Principal;
  readonly services: SessionServices;
  readonly sql: SqlSession;
  readonly resultTypes: ResultTypeOptions;
  consistency: Consistency = "session";
  readonly #reads: ReadBarrier;
  readonly #guard: Guard | undefined;
  #schema: Promise<string> | undefined;
  /** Where the session is after it has named the catalog alone: JDBC does at connect. */
  #startSchema: string;

  /** `guard`: undefined when nothing is to be checked. */
  constructor(
    principal: Principal,
    services: SessionServices,
    resultTypes: ResultTypeOptions = {},
    guard: Guard | undefined = undefined,
  ) {
    this.principal = principal;
    this.services = services;
    this.#startSchema = services.names.targetSchema;
    this.sql = new SqlSession(
      () => connect(services),
      (...transaction) => services.lake.commit("direct", () => services.lake.clients.commit(...transaction)),
      services.transactions,
    );
    this.#reads = new ReadBarrier(services, this.id);
    this.resultTypes = resultTypes;
    this.#guard = guard;
  }

  /** Throws `not_found` when there is no such schema in the lake. */
  async startIn(schema: string): Promise<void> {
    await this.#use(LAKE, schema);
    this.#startSchema = schema;
  }

  async prepare(text: string, options: ExecuteOptions): Promise<Prepared> {
    const pieces = splitStatements(this.#guard ? withoutComments(text) : text);
    const [only] = pieces;
    if (!only) throw new EiderError("sql_invalid", "the SQL text has no statement");
    if (pieces.length === 1) return this.#prepareOne(only, options);
    return new ScriptStatement(pieces, (piece, at) => this.#prepareOne(piece, at));
  }

  async #prepareOne(piece: Piece, options: ExecuteOptions): Promise<Prepared> {
    const guard = this.#guard;
    if (!guard) return await this.#prepareUnchecked(piece, options);
    const check = () => guard.checkStatement(piece, () => this.#currentSchema());
    await check();
    return new GuardedStatement(await this.#prepareUnchecked(piece, options), check);
  }

  async #prepareUnchecked(piece: Piece, options: ExecuteOptions): Promise<Prepared> {
    const own = recognize(piece, this.services.names);
    try {
      return await (own ? prepareOwn(this, own, piece, options) : EngineStatement.prepare(this, piece, options));
    } catch (error) {
      throw explainQueueMisuse(await this.services.lake.afterError(error), this.services.names);
    }
  }

  async beginTransaction(): Promise<string> {
    return this.sql.beginTransaction().id;
  }

  endTransaction(id: string, action: "commit" | "rollback"): Promise<void> {
    return this.sql.endTransaction(id, action);
  }

  async ingest(options: IngestOptions, schema: Uint8Array): Promise<IngestStream> {
    const target = await this.#ingestTarget(options);
    if (!options.temporary) this.#guard?.checkSchema(target.schema, "write", `ingesting into ${targetName(target)}`);
    const request = {
      target,
      temporary: options.temporary,
      ifNotExists: options.ifNotExists,
      ifExists: options.ifExists,
      direct: options.options["eider.ingest"] === "direct",
      transaction: this.sql.transactionFor(options.transaction),
    };
    return BulkIngest.open(this.services, this.sql, request, schema, this.id);
  }

  async #ingestTarget(options: IngestOptions): Promise<{ schema: string; table: string }> {
    const { catalog, schema, table, temporary } = options;
    if (table === "") throw new EiderError("request_invalid", "the ingest names no target table");
    if (temporary) {
      const isTemp = (catalog ?? "temp") === "temp" && (schema ?? "main") === "main";
      if (!isTemp)
        throw new EiderError(
          "request_invalid",
          "a temporary table has no catalog or schema of its own; leave them out",
        );
      return { schema: "main", table };
    }
    if (catalog !== undefined && catalog !== "" && catalog !== LAKE) {
      throw new EiderError("not_found", `catalog ${catalog} does not exist; tables are in catalog ${LAKE}`);
    }
    return targetOf([schema || (await this.#currentSchema()), table], this.services.names);
  }

  async put(path: readonly string[], schema: Uint8Array): Promise<PutStream> {
    const target = targetOf(path, this.services.names);
    this.#guard?.checkSchema(target.schema, "write", `appending to ${targetName(target)}`);
    return PathPut.open(this.services, target, schema, this.id);
  }

  async metadata(command: string, request: Readonly<Record<string, unknown>>): Promise<RowStream> {
    const transaction = this.sql.transactionFor();
    const isVisible = (schema: string) => this.#guard?.canRead(schema) ?? true;
    const keysOf = async (schema: string, table: string) =>
      isVisible(schema) ? ((await this.services.lake.describe({ schema, table }))?.primaryKey ?? []) : [];
    const defaultSchema = await this.#currentSchema();
    const answer = await this.sql.onSlot(
      transaction?.hasBegun ? transaction : undefined,
      (slot) =>
        answerMetadata(slot.connection, command, request, {
          keysOf,
          isVisible,
          defaultSchema,
          resultTypes: this.resultTypes,
        }),
      "read",
    );
    if (!answer) throw new EiderError("not_implemented", `${command} is not supported`);
    const schema = metadataSchema(command as MetadataCommand, request);
    const columns = schema.fields.map(({ name }) => answer.map((row) => row[name]));
    return frameRows(encodeSchema(schema), encodeTable(schema, columns));
  }

  async getOptions(): Promise<Readonly<Record<string, SessionOptionValue>>> {
    const [current] = await this.#onHome("SELECT current_database() AS catalog, current_schema() AS schema");
    return {
      catalog: String(current?.["catalog"]),
      schema: String(current?.["schema"]),
      eider_read_consistency: this.consistency,
    };
  }

  async setOptions(
    options: Readonly<Record<string, SessionOptionValue | undefined>>,
  ): Promise<Readonly<Record<string, "invalid_name" | "invalid_value" | "error">>> {
    const errors: Record<string, "invalid_name" | "invalid_value" | "error"> = {};
    // The catalog first: naming it alone goes to its schema to start in, and the request's order is nobody's choice.
    const inOrder = Object.entries(options).sort(([a], [b]) => Number(b === "catalog") - Number(a === "catalog"));
    for (const [name, value] of inOrder) {
      if (name === "catalog" || name === "schema") {
        if (value === undefined) await this.#use(LAKE, this.#startSchema);
        else if (typeof value !== "string") errors[name] = "invalid_value";
        else if (name === "catalog") await this.#use(value, value === LAKE ? this.#startSchema : "main");
        else await this.#use(undefined, value);
      } else if (name === "eider_read_consistency") {
        const text = value ?? "session";
        const found = typeof text === "string" ? consistencyOf(text) : undefined;
        if (found) this.consistency = found;
        else errors[name] = "invalid_value";
      } else {
        errors[name] = "invalid_name";
      }
    }
    return errors;
  }

  async #use(catalog: string | undefined, schema: string): Promise<void> {
    const [current] = await this.#onHome("SELECT current_database() AS catalog");
    const database = catalog ?? String(current?.["catalog"]);
    if (database === LAKE) this.#guard?.checkSchema(schema, "read", `using schema ${schema}`);
    else if (this.#guard)
      throw new EiderError("forbidden", `catalog ${database} is not for users: tables are in ${LAKE}`);
    const found = await this.#onHome(
      "SELECT 1 FROM duckdb_schemas() WHERE database_name = $database AND schema_name = $schema",
      { database, schema },
    );
    if (found.length === 0) throw new EiderError("not_found", `schema ${database}.${schema} does not exist`);
    const [use] = splitStatements(`USE ${qualifiedName(database, schema)}`);
    if (!use) return;
    await this.sql.onHome(async (slot) => {
      await slot.connection.run(use.sql);
      this.sql.slots.remember(use, slot);
    });
    this.forgetSchema();
  }

  /** Where unqualified names of ingests go; asked for anew only after statements that can change it. */
  async #currentSchema(): Promise<string> {
    if (!this.sql.slots.isConnected) return this.#startSchema;
    this.#schema ??= this.#readSchema();
    return this.#schema;
  }

  async waitForReads(tokens: readonly Token[]): Promise<void> {
    const transaction = this.sql.transactionFor();
    await this.#reads.wait(this.consistency, tokens, (text) =>
      this.sql.onSlot(transaction?.hasBegun ? transaction : undefined, (slot) => slot.connection.rows(text), "read"),
    );
  }

  forgetDefinitions(): void {
    this.#reads.forget();
  }

  /** After SET and USE. */
  forgetSchema(): void {
    this.#schema = undefined;
  }

  async #readSchema(): Promise<string> {
    const [current] = await this.#onHome("SELECT current_database() AS catalog, current_schema() AS schema");
    return current?.["catalog"] === LAKE ? String(current["schema"]) : this.services.names.targetSchema;
  }

  #onHome(sql: string, values: Record<string, string> = {}): Promise<Array<Record<string, unknown>>> {
    return this.sql.onHome((slot) => slot.connection.rows(sql, values));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.sql[Symbol.asyncDispose]();
  }
}
