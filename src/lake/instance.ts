import { dirname } from "node:path";
import { machineMemoryBytes } from "../base/machine-memory.ts";
import { syncPath } from "../base/sync-path.ts";
import { type Connection, Database } from "../duck/database.ts";
import { isFatal } from "../duck/errors.ts";
import { LAKE, quoteLiteral } from "../duck/sql.ts";
import { messageOf } from "../errors.ts";
import { attachLake, isEncrypted } from "./attach.ts";
import type { Catalog } from "./catalogs.ts";
import { METADATA, type Metadata } from "./metadata.ts";
import type { LakeOptions } from "./options.ts";
import { createStoreSecret, type DataPath } from "./stores.ts";

/** DuckLake's own retries of races in the catalog: many short ones, as they cost the least with several writers. */
const CATALOG_RETRIES = 100;
const CATALOG_RETRY_WAIT_MS = 5;

/** What sessions may still set once the instance is locked down. */
const SESSION_SETTINGS = ["TimeZone", "streaming_buffer_size", "enable_progress_bar", "enable_progress_bar_print"];

/** Where the lake is. */
export interface LakePlace {
  readonly catalog: Catalog;
  readonly dataPath: DataPath;
  readonly metadata: Metadata;
}

/**
 * THE DuckDB instance of the process that has the lake attached, for queries and flushes alike: a second one on a
 * DuckDB-file catalog would lose commits without a word. One that a fatal error has killed is followed by another.
 */
export class LakeInstance implements AsyncDisposable {
  readonly #options: LakeOptions;
  readonly #place: LakePlace;
  #database: Database;
  #reopening: Promise<boolean> | undefined;

  private constructor(options: LakeOptions, place: LakePlace, database: Database) {
    this.#options = options;
    this.#place = place;
    this.#database = database;
  }

  static async open(options: LakeOptions, place: LakePlace): Promise<LakeInstance> {
    const instance = new LakeInstance(options, place, await openDatabase(options));
    await instance.#attach(instance.#database);
    return instance;
  }

  /** Another one after a fatal error: do not keep it. */
  get database(): Database {
    return this.#database;
  }

  connect(): Promise<Connection> {
    return this.#database.connect();
  }

  /** Gives the instance up when the lake cannot be attached. */
  async #attach(database: Database): Promise<void> {
    try {
      await this.#attachTo(database);
    } catch (error) {
      if (isFatal(error)) database.abandon();
      else await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #attachTo(database: Database): Promise<void> {
    const { loadExtension } = this.#options;
    const { row, path } = this.#place.catalog;
    using connection = await database.connect();
    const extensions = ["ducklake", ...row.extensions, ...this.#place.dataPath.extensions];
    for (const name of extensions) await loadExtension(connection, name);
    await connection.run(
      `SET GLOBAL ducklake_max_retry_count = ${CATALOG_RETRIES}; SET GLOBAL ducklake_retry_wait_ms = ${CATALOG_RETRY_WAIT_MS}`,
    );
    await createStoreSecret(connection, this.#place.dataPath, this.#options);
    if (path !== undefined) database.claimFile(path, LAKE);
    await attachLake(connection, this.#place.catalog, this.#place.dataPath);
    // DuckDB's own means of encryption only read.
    if (await isEncrypted(connection)) await loadExtension(connection, "httpfs");
    if (path !== undefined) await syncPath(dirname(path));
    this.#options.onOpen?.(connection);
    if (this.#options.lockDown) await this.#lockDown(connection, this.#options.lockDown.folders);
  }

  /** https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview */
  async #lockDown(connection: Connection, folders: readonly string[]): Promise<void> {
    const { path } = this.#place.catalog;
    const list = (paths: readonly string[]) => `[${paths.map(quoteLiteral).join(", ")}]`;
    const { tempDirectory, guardDir } = this.#options;
    const directories = [this.#place.dataPath.location, tempDirectory, guardDir, ...folders].map(withSlash);
    // The catalog's neighbours are the write-ahead log and its forms during a checkpoint.
    const files = path === undefined ? [] : ["", ".wal", ".wal.checkpoint", ".wal.recovery"].map((end) => path + end);
    await connection.run(
      `SET GLOBAL allowed_directories = ${list(directories)};
       SET GLOBAL allowed_paths = ${list(files)};
       SET GLOBAL allowed_configs = ${list(SESSION_SETTINGS)};
       SET GLOBAL enable_external_access = false;
       SET GLOBAL lock_configuration = true`,
    );
  }

  /** Opens it anew if it is dead; then resolves to true, and all connections and attached files are gone. */
  reopenIfDead(): Promise<boolean> {
    this.#reopening ??= this.#openAnew().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #openAnew(): Promise<boolean> {
    if (await this.#isAlive()) return false;
    this.#database.abandon();
    const database = await openDatabase(this.#options);
    // Until then the dead one stays: one without the lake would count as alive for good.
    await this.#attach(database);
    this.#database = database;
    return true;
  }

  /** A catalog that cannot be reached is no reason to open the instance anew; one that DuckDB has invalidated is. */
  async #isAlive(): Promise<boolean> {
    try {
      await this.askCatalog();
      return true;
    } catch (error) {
      if (!isFatal(error)) return true;
      this.#options.log.error({ error: messageOf(error) }, "the lake's DuckDB instance is dead");
      return false;
    }
  }

  /** Rejects when the catalog does not answer. */
  async askCatalog(): Promise<void> {
    using connection = await this.#database.connect();
    await this.#place.metadata.rows(connection, `SELECT max(snapshot_id) FROM ${METADATA}.ducklake_snapshot`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (await this.#isAlive()) await this.#database[Symbol.asyncDispose]();
    else this.#database.abandon();
  }
}

function withSlash(folder: string): string {
  return folder.endsWith("/") ? folder : `${folder}/`;
}

/**
 * Share of the machine's memory that DuckDB may count in the lake instance. Not DuckDB's own 80 %: DuckLake keeps the whole
 * schema of each of its versions in memory (some 8 KB a table), counts less than half of that, and lets go of it only at
 * this limit. A thousand tables made one after the other take 3 GB. Statistics, of each table and commit that a query has
 * planned with (256 bytes a column), stay as long.
 */
const MEMORY_SHARE = 0.4;

function openDatabase({ queryMemoryMb, tempDirectory, walAutocheckpoint }: LakeOptions): Promise<Database> {
  const memoryMb = queryMemoryMb > 0 ? queryMemoryMb : Math.floor((machineMemoryBytes() * MEMORY_SHARE) / 1e6);
  return Database.open({
    memory_limit: `${memoryMb}MB`,
    temp_directory: tempDirectory,
    wal_autocheckpoint: walAutocheckpoint,
  });
}
