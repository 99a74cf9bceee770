import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import duckdb from "@duckdb/node-bindings";
import { EiderError, messageOf } from "../errors.ts";
import { fromDuckError } from "./errors.ts";
import { DuckDBConnection, type DuckDBValue } from "./node-api.ts";
import { type CallKind, OpenCalls } from "./open-calls.ts";
import { quoteIdentifier, quoteLiteral } from "./sql.ts";

/**
 * A DuckDB instance and its connections. Instances are always in memory; files are ATTACHed, so that a failed checkpoint
 * spoils that file alone and the block size can be chosen (https://duckdb.org/docs/stable/sql/statements/attach).
 */

/**
 * Instances that died (a FATAL error invalidated them), kept for the life of the process: disconnecting a connection with
 * an open transaction from a dead instance throws in a destructor, which ends the process, and garbage collection
 * disconnects too. At a natural end of Node they would be collected as well, so that a process with any ends by
 * `process.exit`.
 */
const abandoned = new Set<unknown>();

/**
 * Files that an instance of this thread has attached, by real path. DuckDB's file lock is per process: a second instance
 * would attach the same file without an error, and acknowledged commits would vanish. A file passes between threads
 * only detached.
 */
const attachedFiles = new Map<string, string>();

function realPathOf(path: string): string {
  return join(realpathSync(dirname(path)), basename(path));
}

/**
 * DuckDB's allocator is the process's: without a thread of its own it gives freed memory back only while the threads that
 * freed it allocate again, and Node's rest for long (https://duckdb.org/docs/stable/core_extensions/jemalloc).
 */
const ALLOCATOR = { allocator_background_threads: "true" };

export class Database implements AsyncDisposable {
  readonly #handle: duckdb.Database;
  readonly #connections = new Set<Connection>();
  readonly #files = new Set<string>();
  readonly #calls = new OpenCalls();

  private constructor(handle: duckdb.Database) {
    this.#handle = handle;
  }

  /** `settings` are DuckDB configuration options (https://duckdb.org/docs/stable/configuration/overview). */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<Database> {
    const config = duckdb.create_config();
    for (const [name, value] of Object.entries({ ...ALLOCATOR, ...settings })) duckdb.set_config(config, name, value);
    return new Database(await duckdb.open(":memory:", config));
  }

  async connect(): Promise<Connection> {
    const onClose = () => this.#connections.delete(connection);
    const connection = new Connection(await duckdb.connect(this.#handle), this.#calls, onClose);
    this.#connections.add(connection);
    return connection;
  }

  /**
   * ATTACHes a DuckDB file under `alias`; `options` is the text inside ATTACH's parentheses.
   * Throws when any instance of this thread has it attached.
   */
  async attachFile(connection: Connection, path: string, alias: string, options = ""): Promise<void> {
    const real = realPathOf(path);
    const owner = attachedFiles.get(real);
    if (owner !== undefined) throw new EiderError("internal", `file ${real} is already attached as ${owner}`);
    attachedFiles.set(real, alias);
    this.#files.add(real);
    try {
      await connection.run(
        `ATTACH ${quoteLiteral(path)} AS ${quoteIdentifier(alias)}${options === "" ? "" : ` (${options})`}`,
      );
    } catch (error) {
      this.#forget(real);
      throw error;
    }
  }

  /** Not inside a transaction, which DETACH would abort. Also when a ROLLBACK has undone the ATTACH already. */
  async detachFile(connection: Connection, path: string, alias: string): Promise<void> {
    try {
      await connection.run(`DETACH ${quoteIdentifier(alias)}`);
    } catch (error) {
      if (!/database not found/.test(messageOf(error))) throw error;
    }
    this.#forget(realPathOf(path));
  }

  /** Records that `path` belongs to this instance through an ATTACH that `attachFile` cannot make (a `ducklake:` catalog). */
  claimFile(path: string, alias: string): void {
    const real = realPathOf(path);
    if (attachedFiles.has(real)) throw new EiderError("internal", `file ${real} is already attached`);
    attachedFiles.set(real, alias);
    this.#files.add(real);
  }

  #forget(real: string): void {
    attachedFiles.delete(real);
    this.#files.delete(real);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Gives up a dead instance without closing it: its files may be attached elsewhere, its connections only fail. */
  abandon(): void {
    for (const connection of this.#connections) abandoned.add(connection.abandon());
    this.#connections.clear();
    abandoned.add(this.#handle);
    for (const real of [...this.#files]) this.#forget(real);
  }

  /** Closes all connections, then the instance; frees its memory and its temp files. Not for a dead instance. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of [...this.#connections]) connection.close();
    duckdb.close_sync(this.#handle);
    for (const real of [...this.#files]) this.#forget(real);
  }
}

/** Runs `work` on a connection of its own, closed at the end. */
export async function withConnection<T>(
  connect: () => Promise<Connection>,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  using connection = await connect();
  return await work(connection);
}

export class Connection implements Disposable {
  /** The raw handle, for the Arrow bridge and appenders. */
  readonly handle: duckdb.Connection;
  readonly #api: DuckDBConnection;
  readonly #calls: OpenCalls;
  readonly #onClose: () => void;
  readonly #inThread = new Map<string, duckdb.PreparedStatement>();
  #isClosed = false;

  constructor(handle: duckdb.Connection, calls: OpenCalls, onClose: () => void) {
    this.handle = handle;
    this.#calls = calls;
    this.#api = new DuckDBConnection(handle);
    this.#onClose = onClose;
  }

  /** True after `close`, and when its instance had to be given up. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Share of the running statement that is done, 0 to 1; undefined while none runs, and for those of which DuckDB does not
   * know it. Needs `SET enable_progress_bar = true` (https://duckdb.org/docs/stable/configuration/overview).
   */
  get progress(): number | undefined {
    if (this.#isClosed) return undefined;
    const { percentage } = duckdb.query_progress(this.handle);
    return percentage < 0 ? undefined : Math.min(percentage / 100, 1);
  }

  /** To be called with every answer that is asked of DuckDB with `handle` and plans a statement. */
  track<T>(kind: CallKind, answer: Promise<T>): Promise<T> {
    return this.#calls.track(kind, answer);
  }

  /** See `OpenCalls.planned`; for all connections of the instance. Nothing may run on this one. */
  othersPlanned(): Promise<void> {
    return this.#calls.planned();
  }

  /** Runs one or more statements and returns the number of rows that the last one changed. */
  async run(sql: string, values?: DuckDBValue[] | Record<string, DuckDBValue>): Promise<number> {
    try {
      return (await this.track("run", this.#api.run(sql, values))).rowsChanged;
    } catch (error) {
      throw fromDuckError(error);
    }
  }

  /**
   * The same for a statement without rows, in the calling thread, which it blocks: for short ones, of which waking a thread
   * of libuv's pool and being woken by it is a large part. Of an instance with one thread; each text is prepared once.
   * The binding keeps what ran until V8 collects it, and with it the instance: detach its files by `run` before it is closed.
   */
  async runInThread(sql: string): Promise<void> {
    try {
      let statement = this.#inThread.get(sql);
      if (statement === undefined) {
        statement = await duckdb.prepare(this.handle, sql);
        this.#inThread.set(sql, statement);
      }
      const pending = duckdb.pending_prepared(statement);
      let state: duckdb.PendingState;
      do state = duckdb.pending_execute_task(pending);
      while (!duckdb.pending_execution_is_finished(state));
      if (state === duckdb.PendingState.ERROR) throw new Error(duckdb.pending_error(pending));
    } catch (error) {
      throw fromDuckError(error);
    }
  }

  /** Small results by value: BIGINT as bigint, as `getRowObjectsJS` of @duckdb/node-api gives them. */
  async rows(
    sql: string,
    values?: DuckDBValue[] | Record<string, DuckDBValue>,
  ): Promise<Array<Record<string, unknown>>> {
    try {
      return (await this.track("run", this.#api.runAndReadAll(sql, values))).getRowObjectsJS();
    } catch (error) {
      throw fromDuckError(error);
    }
  }

  /** Resolves to the number of statements; throws DuckDB's parser error, if there is one. Runs nothing. */
  async parse(sql: string): Promise<number> {
    const { extracted_statements: extracted, statement_count: count } = await duckdb.extract_statements(
      this.handle,
      sql,
    );
    if (count === 0) throw fromDuckError(new Error(whyNoStatement(extracted)));
    return count;
  }

  /** Runs `body` between BEGIN and COMMIT; any error rolls back and is rethrown. Not for a commit that may be in doubt. */
  async transaction<T>(body: () => Promise<T>): Promise<T> {
    await this.run("BEGIN");
    try {
      const result = await body();
      await this.run("COMMIT");
      return result;
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  /** ROLLBACK that does not mind when no transaction is open. */
  async rollback(): Promise<void> {
    try {
      await this.#api.run("ROLLBACK");
    } catch {
      // "no transaction is active" is what the caller wants; a dead instance shows itself at the next statement.
    }
  }

  /** Stops what runs on this connection, within about a millisecond; harmless when nothing does. */
  interrupt(): void {
    if (!this.#isClosed) duckdb.interrupt(this.handle);
  }

  /** Stops what runs and makes `close` do nothing; returns what must not be garbage collected. */
  abandon(): unknown {
    // A dead instance computes on the results that were open when it died.
    this.interrupt();
    this.#isClosed = true;
    return [this.handle, this.#api, this.#inThread];
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    for (const statement of this.#inThread.values()) duckdb.destroy_prepare_sync(statement);
    this.#inThread.clear();
    duckdb.disconnect_sync(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A text of nothing but, for example, a name in letters beyond ASCII is no statement to DuckDB, and no error. */
function whyNoStatement(extracted: duckdb.ExtractedStatements): string {
  try {
    return duckdb.extract_statements_error(extracted);
  } catch {
    return "Parser Error: the SQL text has no statement";
  }
}
