import type { Principal } from "../access/principal.ts";
import type { Frame } from "../wire/frame.ts";

/**
 * What the Flight layer needs from the system behind it, and nothing else: the protocol knows no DuckDB, no buffer and
 * no lake. Eider's own backend is `server/`'s composition of query and ingest; the tests have scenario backends.
 * Errors are EiderErrors; their code decides the gRPC status.
 */

export type { Frame } from "../wire/frame.ts";

/** A result: the schema message comes from `schema`, then the frames, each at most about 2 MiB. */
export interface RowStream extends AsyncDisposable {
  readonly schema: Uint8Array;
  frames(): AsyncIterable<Frame>;
  /** Stops DuckDB within a second; frames() then rejects with `cancelled`. Harmless after the end. */
  cancel(): void;
}

/** What is known of a statement before it runs. All schemas are bare flatbuffer `Message`s of an Arrow schema. */
export interface StatementInfo {
  /** Undefined when the statement returns no rows, or its schema is not known before it runs (parameters of unknown type). */
  readonly schema: Uint8Array | undefined;
  readonly parameterSchema: Uint8Array | undefined;
  readonly isUpdate: boolean;
  /** The endpoints by which a query's rows are fetched, in their order; absent: one, whose ticket is good once. */
  readonly endpoints?: readonly EndpointTraits[];
  /** Nothing that happens later changes what the statement means, so that one plan is good for every use of a handle. */
  readonly isConstant?: boolean;
}

export interface EndpointTraits {
  /** Its ticket may be redeemed again and again until it expires; the statement is executed each time. */
  readonly isRepeatable: boolean;
}

export type StatementResult =
  | { readonly kind: "rows"; readonly rows: RowStream }
  | { readonly kind: "count"; readonly count: number };

/** Parameter sets: one IPC stream's messages (schema first). Undefined: run once without parameters. */
export interface Parameters {
  readonly schema: Uint8Array;
  readonly batches: readonly Frame[];
}

export interface Prepared extends AsyncDisposable {
  readonly info: StatementInfo;
  /** The schema with parameters of other types than `info.parameterSchema` has; undefined when only a run would tell. */
  describe?(parameters: Parameters): Promise<Uint8Array | undefined>;
  /** Runs in the session's current transaction, else in autocommit. Many parameter sets: rows are concatenated, counts summed. */
  execute(parameters: Parameters | undefined, options: ExecuteOptions): Promise<StatementResult>;
  /** Share of the running execution that is done, 0 to 1; undefined while nothing runs, or when it is not known. */
  progress?(): number | undefined;
}

export interface ExecuteOptions {
  readonly transaction?: string;
  /** Which of the statement's `endpoints` the rows are for. */
  readonly endpoint?: number;
  /** Aborted when the client cancels, goes away or its deadline passes; the work then stops and rejects. May be aborted already. */
  readonly signal?: AbortSignal;
}

export interface IngestOptions {
  readonly catalog?: string;
  readonly schema?: string;
  readonly table: string;
  readonly temporary: boolean;
  readonly ifNotExists: "create" | "fail";
  readonly ifExists: "fail" | "append" | "replace";
  /** The request's `options` map; `eider.ingest` = `direct` writes to the lake at once. */
  readonly options: Readonly<Record<string, string>>;
  readonly transaction?: string;
}

export interface IngestStream {
  /** Resolves when ready for more. */
  write(frame: Frame): Promise<void>;
  /** All of it, durable; resolves to the number of rows. */
  finish(): Promise<number>;
  /** The client failed or went away: nothing remains. Idempotent, a no-op after finish. */
  abort(): Promise<void>;
}

/** DoPut with a path: each batch is durable when `put` resolves; `put` may be called again before it has. */
export interface PutStream {
  put(
    frame: Frame,
    metadata: Uint8Array | undefined,
  ): Promise<{ readonly rows: number; readonly seq: number } | undefined>;
  close(): Promise<void>;
}

export type SessionOptionValue = string | boolean | bigint | number | readonly string[];

/** A client connection's state: catalog, schema, settings, temporary tables, and at most one open transaction at a time. */
export interface Session extends AsyncDisposable {
  readonly id: string;
  prepare(sql: string, options: ExecuteOptions): Promise<Prepared>;
  /** Begins lazily: nothing is pinned before the first statement. */
  beginTransaction(): Promise<string>;
  /** Unknown id: `not_found`. COMMIT of an aborted transaction rolls back and rejects with `transaction_aborted`, once. */
  endTransaction(id: string, action: "commit" | "rollback"): Promise<void>;
  ingest(options: IngestOptions, schema: Uint8Array): Promise<IngestStream>;
  put(path: readonly string[], schema: Uint8Array): Promise<PutStream>;
  /**
   * Rows of a Flight SQL metadata command (`CommandGetTables` …) in the schema that the protocol fixes
   * (`metadata-schemas.ts`). The request's keys are the message's field names; what is not set is absent. Not asked for:
   * CommandGetSqlInfo and CommandGetXdbcTypeInfo, which the protocol layer answers itself.
   */
  metadata(command: string, request: Readonly<Record<string, unknown>>): Promise<RowStream>;
  getOptions(): Promise<Readonly<Record<string, SessionOptionValue>>>;
  /** Resolves to the error of each option that was refused; undefined value: erase. */
  setOptions(
    options: Readonly<Record<string, SessionOptionValue | undefined>>,
  ): Promise<Readonly<Record<string, "invalid_name" | "invalid_value" | "error">>>;
}

/** What a client connection says of itself. */
export interface ClientTraits {
  /** The `user-agent` header; empty when there is none. */
  readonly userAgent: string;
  /**
   * The client reads unsigned integers as signed ones (JDBC): send UTINYINT as int16, USMALLINT as int32, UINTEGER as
   * int64 and UBIGINT as decimal(20,0).
   */
  readonly widenUnsigned: boolean;
  /** The schema that its session starts in; undefined: the backend's own choice. */
  readonly schema: string | undefined;
}

export interface Backend {
  openSession(principal: Principal, client: ClientTraits): Promise<Session>;
  /** The tables that the caller may read, as paths, for ListFlights. */
  listTables(
    principal: Principal,
  ): Promise<ReadonlyArray<{ readonly path: readonly string[]; readonly schema: Uint8Array }>>;
  /** An action that the protocol layer does not know. Resolves to its result's body; undefined: not known here either. */
  action?(principal: Principal, type: string, body: Uint8Array): Promise<Uint8Array | undefined>;
}
