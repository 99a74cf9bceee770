import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { assert } from "../base/assert.ts";
import type { Failpoints } from "../base/failpoints.ts";
import { syncPath } from "../base/sync-path.ts";
import type { TableShape } from "../base/table.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import { type Connection, Database } from "../duck/database.ts";
import { fromDuckError, isFatal } from "../duck/errors.ts";
import { LAKE, qualifiedName, quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import { attachLake, isEncrypted } from "./attach.ts";
import { CatalogWatch, type Outage } from "./catalog-watch.ts";
import { type Catalog, type CatalogRow, parseCatalog } from "./catalogs.ts";
import { type CommitServices, FlushRun } from "./commit.ts";
import type { CreateOptions } from "./ddl.ts";
import { Fences } from "./fence.ts";
import { Guards } from "./guard.ts";
import { type LakeInfo, readInfo } from "./info.ts";
import type { LakeFiles } from "./lake-files.ts";
import { takeLease } from "./lease.ts";
import { LocalFiles } from "./local-files.ts";
import { type Maintenance, type MaintenanceControl, maintain } from "./maintenance.ts";
import { METADATA, Metadata } from "./metadata.ts";
import { ObjectFiles } from "./object-files.ts";
import { type Attempts, type Committer, Retries } from "./retries.ts";
import { Settlement } from "./settlement.ts";
import { createState } from "./state.ts";
import { createStoreSecret, type DataPath, parseDataPath, type StoreSettings } from "./stores.ts";
import { Tables } from "./tables.ts";
import { Turn } from "./turn.ts";
import type { CommitResult, ConflictClass, FlushPart, LoadExtension, Log } from "./types.ts";
import { waitForCatalog } from "./wait-for-catalog.ts";
import { Watermarks } from "./watermark.ts";

export interface LakeOptions extends StoreSettings {
  readonly catalog: string;
  /** Of the catalog's user; Quack's token. Empty: none, or in `catalog`. */
  readonly catalogPassword: string;
  readonly dataPath: string;
  /** Keep a copy of an object store's new files until their COMMIT is known. */
  readonly guardStore: boolean;
  readonly targetSchema: string;
  /** Tells this data folder's watermarks from those of others on the same lake; must never change. */
  readonly writerId: string;
  /** Beside the segments: see lease.ts. */
  readonly leaseFile: string;
  /** Folder for the guards' copies: hard links when it is on the data path's filesystem. */
  readonly guardDir: string;
  /** Memory limit of the lake instance; 0: DuckDB's own default. */
  readonly queryMemoryMb: number;
  /** Size of a DuckDB-file catalog's WAL at which it is checkpointed, for example `1GB`. */
  readonly walAutocheckpoint: string;
  readonly tempDirectory: string;
  /**
   * Set when strangers' SQL runs on the instance: it then reaches no other files, no network, and none of the settings.
   * `folders`: those of the segments, beside the lake's own.
   */
  readonly lockDown?: { readonly folders: readonly string[] } | undefined;
  readonly loadExtension: LoadExtension;
  /** Called with a connection whenever an instance has been opened: for functions that belong to it. */
  readonly onOpen?: (connection: Connection) => void;
  /** How long `open` waits for a catalog server that does not answer; default: not at all. */
  readonly catalogWaitSeconds?: number;
  /** Ends that wait. */
  readonly stopSignal?: AbortSignal | undefined;
  /** Called when the catalog answers again after an outage. */
  readonly onBack?: () => void;
  /** Told of each transaction that lost to another one. */
  readonly onConflict?: (committer: Committer, kind: ConflictClass) => void;
  readonly failpoints: Failpoints;
  readonly log: Log;
  /** Overrides the catalog's own answer to "may another process commit?"; for tests of the fence. */
  readonly multiProcess?: boolean;
}

/** How long a statement that defines a table waits for another's transaction. */
const DEFINITION_WAIT_MS = 60_000;
/** The same for a flush: others wait behind it, and it is made again later. */
const FLUSH_DEFINITION_WAIT_MS = 1_000;

/** DuckLake's own retries of races in the catalog: many short ones, as they cost the least with several writers. */
const CATALOG_RETRIES = 100;
const CATALOG_RETRY_WAIT_MS = 5;

/** What sessions may still set once the instance is locked down. */
const SESSION_SETTINGS = ["TimeZone", "streaming_buffer_size", "enable_progress_bar", "enable_progress_bar_print"];

/**
 * THE lake instance: the one DuckDB instance of the process that has the lake attached, for queries and flushes alike. A
 * second one on a DuckDB-file catalog would lose commits without a word.
 */
export class Lake implements AsyncDisposable {
  readonly capabilities: CatalogRow;
  readonly targetSchema: string;
  readonly #options: LakeOptions;
  readonly #catalog: Catalog;
  readonly #dataPath: DataPath;
  readonly #metadata: Metadata;
  /** Transactions of Eider's own that must not run beside each other: flushes, key changes, new state tables. */
  readonly #turn = new Turn();
  /**
   * Transactions that define tables, anybody's: see `holdDefinitions`. Taken before `#turn`; a flush, which has the turn
   * already, waits for them for a moment only, because a session's transaction may keep them for long.
   */
  readonly #definitions = new Turn();
  readonly #retries: Retries;
  readonly #tables: Tables;
  readonly #fences: Fences;
  readonly #watermarks: Watermarks;
  readonly #watch: CatalogWatch;
  #database: Database;
  #commits: CommitServices | undefined;
  #reopening: Promise<boolean> | undefined;

  private constructor(options: LakeOptions, catalog: Catalog, dataPath: DataPath, database: Database) {
    this.#options = options;
    this.#catalog = catalog;
    this.#dataPath = dataPath;
    this.#metadata = new Metadata(catalog.row.queryFunction);
    this.#database = database;
    this.capabilities = { ...catalog.row, multiProcess: options.multiProcess ?? catalog.row.multiProcess };
    this.targetSchema = options.targetSchema;
    this.#watermarks = new Watermarks(options.writerId);
    this.#fences = new Fences(this.capabilities.multiProcess);
    this.#retries = new Retries({
      rebase: () => this.#tables.invalidate(),
      onConflict: (committer, kind) => options.onConflict?.(committer, kind),
    });
    this.#tables = new Tables({
      metadata: this.#metadata,
      connect: () => this.#database.connect(),
      dataPath: dataPath.location,
      isShared: this.capabilities.multiProcess,
      turn: this.#turn,
      retries: this.#retries,
      holdDefinitions: () => this.holdDefinitions(),
      log: options.log,
    });
    this.#watch = new CatalogWatch({
      probe: () => this.#askCatalog(),
      onBack: () => options.onBack?.(),
      log: options.log,
    });
  }

  /**
   * Attaches the lake, makes what is missing (catalog, data path, target schema, Eider's state) and settles what an
   * earlier process left in doubt. Throws `config_invalid` and `lake_unavailable`.
   */
  static async open(options: LakeOptions): Promise<Lake> {
    const catalog = parseCatalog(options.catalog, options.catalogPassword);
    const dataPath = parseDataPath(options.dataPath);
    if (catalog.path !== undefined) await mkdir(dirname(catalog.path), { recursive: true });
    if (dataPath.isLocal) await mkdir(dataPath.location, { recursive: true });
    const { catalogWaitSeconds = 0, stopSignal: signal, log } = options;
    return await waitForCatalog(() => Lake.#openOnce(options, catalog, dataPath), {
      // Another process may have a catalog's file for good.
      waitSeconds: catalog.row.isFile ? 0 : catalogWaitSeconds,
      signal,
      log,
    });
  }

  static async #openOnce(options: LakeOptions, catalog: Catalog, dataPath: DataPath): Promise<Lake> {
    const lake = new Lake(options, catalog, dataPath, await openInstance(options));
    try {
      await lake.#attach();
      await lake.#prepare();
      return lake;
    } catch (error) {
      await lake[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #attach(): Promise<void> {
    const { loadExtension } = this.#options;
    const { row, path } = this.#catalog;
    using connection = await this.#database.connect();
    const extensions = ["ducklake", ...row.extensions, ...this.#dataPath.extensions];
    for (const name of extensions) await loadExtension(connection, name);
    await connection.run(
      `SET GLOBAL ducklake_max_retry_count = ${CATALOG_RETRIES}; SET GLOBAL ducklake_retry_wait_ms = ${CATALOG_RETRY_WAIT_MS}`,
    );
    await createStoreSecret(connection, this.#dataPath, this.#options);
    if (path !== undefined) this.#database.claimFile(path, LAKE);
    await attachLake(connection, this.#catalog, this.#dataPath);
    // DuckDB's own means of encryption only read.
    if (await isEncrypted(connection)) await loadExtension(connection, "httpfs");
    if (path !== undefined) await syncPath(dirname(path));
    this.#options.onOpen?.(connection);
    if (this.#options.lockDown) await this.#lockDown(connection, this.#options.lockDown.folders);
  }

  /** https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview */
  async #lockDown(connection: Connection, folders: readonly string[]): Promise<void> {
    const { path } = this.#catalog;
    const list = (paths: readonly string[]) => `[${paths.map(quoteLiteral).join(", ")}]`;
    const { tempDirectory, guardDir } = this.#options;
    const directories = [this.#dataPath.location, tempDirectory, guardDir, ...folders].map(withSlash);
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

  async #prepare(): Promise<void> {
    const { failpoints, log, writerId } = this.#options;
    using connection = await this.#database.connect();
    await this.#retries.run("ensure", () => createState(connection, this.#watermarks.table));
    await this.#retries.run("ensure", () =>
      connection.run(`CREATE SCHEMA IF NOT EXISTS ${qualifiedName(LAKE, this.#options.targetSchema)}`),
    );
    await takeLease(connection, this.#watermarks, this.#options.leaseFile, this.#retries);
    await this.#fences.load(connection, this.#metadata);
    const guards = await Guards.open(await this.#files(), log);
    const settlement = new Settlement({
      metadata: this.#metadata,
      guards,
      commitsMayComeLate: this.#catalog.row.multiProcess && !this.#catalog.row.isFile,
      catalogPath: this.#catalog.path,
      failpoints,
      log,
    });
    await settlement.recover(connection, await this.#watermarks.read(connection));
    this.#commits = {
      database: () => this.#database,
      connect: () => this.#database.connect(),
      reopen: () => this.#reopenIfDead(),
      tables: this.#tables,
      watermarks: this.#watermarks,
      fences: this.#fences,
      guards,
      settlement,
      retries: this.#retries,
      holdDefinitions: () => this.holdDefinitions(FLUSH_DEFINITION_WAIT_MS),
      writerId,
      failpoints,
      log,
    };
  }

  async #files(): Promise<LakeFiles> {
    const { guardDir, guardStore } = this.#options;
    const { isLocal, location } = this.#dataPath;
    if (isLocal) return await LocalFiles.open(location, guardDir);
    return await ObjectFiles.open({
      location,
      guardDir,
      copies: guardStore,
      connect: () => this.#database.connect(),
    });
  }

  /** The instance, for attaching files to it. Another one after a fatal error: do not keep it. */
  get database(): Database {
    return this.#database;
  }

  /** A connection for a session, in the lake's target schema. The caller closes it. */
  async connect(): Promise<Connection> {
    const connection = await this.#database.connect();
    try {
      await connection.run(`USE ${LAKE}.${quoteIdentifier(this.#options.targetSchema)}`);
      return connection;
    } catch (error) {
      connection.close();
      throw await this.#watch.explain(error);
    }
  }

  /** Rejects when the engine does not answer, whatever the catalog does. */
  async ping(): Promise<void> {
    using connection = await this.#database.connect();
    await connection.run("SELECT 1");
  }

  describe(target: Target): Promise<TableShape | undefined> {
    return this.#explaining(() => this.#tables.describe(target));
  }

  /**
   * The same for rows that only wait for the lake: `known`, an earlier description, while the catalog is away. Rows belong
   * to a table and its columns by id, so that they find their place whatever has become of the table meanwhile.
   */
  describeOr(target: Target, known: TableShape): Promise<TableShape | undefined> {
    return this.#watch.unlessAway<TableShape | undefined>(known, () => this.#tables.describe(target));
  }

  /** Since when the catalog does not answer; undefined while it does. */
  get outage(): Outage | undefined {
    return this.#watch.outage;
  }

  async #explaining<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.#watch.explain(error);
    }
  }

  /** Another one whenever a table, view or macro may have been made, changed or dropped: what was read before is old then. */
  definitionsVersion(): Promise<string> {
    return this.#explaining(() => this.#tables.version());
  }

  /** After statements of sessions that may have changed a table, and when their transaction has committed. */
  invalidate(): void {
    this.#tables.invalidate();
  }

  createTable(shape: TableShape, options?: CreateOptions): Promise<boolean> {
    return this.#explaining(() => this.#tables.createTable(shape, options));
  }

  setPrimaryKey(target: Target, columns: readonly string[]): Promise<void> {
    return this.#tables.setPrimaryKey(target, columns);
  }

  /** For a table that a session has made with a key: so that a comment of the user's does not end the key. Never rejects. */
  mirrorKey(target: Target): Promise<void> {
    return this.#tables.mirrorKey(target);
  }

  dropTable(target: Target, options?: { readonly ifExists?: boolean }): Promise<void> {
    return this.#tables.dropTable(target, options);
  }

  /**
   * To be held from a transaction's first CREATE, ALTER or DROP in the lake until it has ended: DuckLake 1.5.5 reads freed
   * memory when two transactions that define tables overlap in one process, and takes the process down. Throws
   * `write_conflict` when another one keeps it for too long.
   */
  async holdDefinitions(waitMs = DEFINITION_WAIT_MS): Promise<() => void> {
    const release = await this.#definitions.hold(waitMs);
    if (release) return release;
    throw new EiderError(
      "write_conflict",
      `another transaction has been changing tables for ${waitMs / 1000} s; try again when it has ended`,
    );
  }

  /** Another process serves this writer now: what waits here must not be flushed. */
  get isTakenOver(): boolean {
    return this.#watermarks.isTakenOver;
  }

  /** The writer's watermarks by `targetKey`: the last `seq` of each target that is in the lake. */
  async watermarks(): Promise<ReadonlyMap<string, number>> {
    using connection = await this.#database.connect();
    return await this.#watermarks.read(connection);
  }

  /** The target's watermark; 0 when nothing of it was ever flushed. */
  async lastSeq(target: Target): Promise<number> {
    return (await this.watermarks()).get(targetKey(target)) ?? 0;
  }

  /** Commits the parts, which are of different targets; one flush at a time. Failures are in the result. */
  commitFlush(parts: readonly FlushPart[]): Promise<CommitResult> {
    assert(new Set(parts.map(({ target }) => targetKey(target))).size === parts.length, "one part for each target");
    return this.#turn.run(async () => {
      assert(this.#commits, "the lake is open");
      const { failures, ...result } = await FlushRun.run(this.#commits, parts);
      const explained = failures.map(async ({ target, error }) => ({
        target,
        error: fromDuckError(await this.#watch.explain(error)),
      }));
      return { ...result, failures: await Promise.all(explained) };
    });
  }

  /**
   * For a session's own transaction that writes a keyed table: makes it conflict with every other writer of that table,
   * so that two of them cannot add one new key. Must be the transaction's first statement on the lake: the first one fixes
   * its snapshot, in which the fence must exist. A table without key needs no fence.
   */
  async touchFence(connection: Connection, target: Target): Promise<void> {
    const detail = await this.#tables.detail(target);
    if (!detail) throw new EiderError("table_not_found", `table ${targetName(target)} does not exist`);
    if (detail.shape.primaryKey.length === 0) return;
    await this.makeFence(target);
    await this.#fences.touch(connection, detail.uuid);
  }

  /** Whether `touchFence` would have to make the target's fence first. */
  async lacksFence(target: Target): Promise<boolean> {
    const detail = await this.#tables.detail(target);
    return detail !== undefined && detail.shape.primaryKey.length > 0 && !this.#fences.has(detail.uuid);
  }

  /** Not within a transaction that has defined tables: it would wait for itself. */
  async makeFence(target: Target): Promise<void> {
    const detail = await this.#tables.detail(target);
    if (!detail || detail.shape.primaryKey.length === 0 || this.#fences.has(detail.uuid)) return;
    const release = await this.holdDefinitions();
    try {
      await this.#turn.run(async () => {
        using own = await this.#database.connect();
        await this.#retries.run("ensure", () => this.#fences.ensure(own, detail.uuid));
      });
    } finally {
      release();
    }
  }

  /**
   * Runs `work`, which commits to the lake: after all other commits where the catalog cannot take two at once, and again
   * after a conflict as `retries.ts` has it for the committer.
   */
  commit<T>(committer: Committer, work: () => Promise<T>, attempts?: Attempts): Promise<T> {
    return this.#retries.run(committer, () => this.#inTurn(work), attempts);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#catalog.row.commitsInTurn ? this.#turn.run(work) : work();
  }

  /** What the lake instance holds in memory, and has spilled to disk. */
  async usage(): Promise<{ readonly memoryBytes: number; readonly tempBytes: number }> {
    using connection = await this.#database.connect();
    const [row] = await connection.rows(
      "SELECT sum(memory_usage_bytes)::DOUBLE AS memory, sum(temporary_storage_bytes)::DOUBLE AS temp FROM duckdb_memory()",
    );
    return { memoryBytes: Number(row?.["memory"] ?? 0), tempBytes: Number(row?.["temp"] ?? 0) };
  }

  /** DuckLake's own work on its files; rejects with `write_conflict` when a writer was faster, `cancelled` by its signal. */
  maintain(work: Maintenance, control: MaintenanceControl): Promise<number> {
    const services = this.#commits;
    assert(services, "the lake is open");
    return maintain(services, work, control, (commit) => this.#inTurn(commit));
  }

  /** Files put back after COMMITs whose answer was lost, since the lake was opened. */
  get restoredFiles(): number {
    return this.#commits?.guards.restored ?? 0;
  }

  async info(): Promise<LakeInfo> {
    using connection = await this.#database.connect();
    return await readInfo(connection, this.#metadata);
  }

  /**
   * To be called with an error of a session's statement. One that may mean that the instance is dead has it opened anew
   * if it is, which closes all its connections. Resolves to what the client is to be told.
   */
  async afterError(error: unknown): Promise<unknown> {
    if (isFatal(error)) await this.#turn.run(() => this.#reopenIfDead());
    return await this.#watch.explain(error);
  }

  #reopenIfDead(): Promise<boolean> {
    this.#reopening ??= this.#openAnew().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #openAnew(): Promise<boolean> {
    if (await this.#isAlive()) return false;
    this.#tables.invalidate();
    this.#database.abandon();
    this.#database = await openInstance(this.#options);
    await this.#attach();
    return true;
  }

  /** A catalog that cannot be reached is no reason to open the instance anew; one that DuckDB has invalidated is. */
  async #isAlive(): Promise<boolean> {
    try {
      await this.#askCatalog();
      return true;
    } catch (error) {
      if (!isFatal(error)) return true;
      this.#options.log.error({ error: messageOf(error) }, "the lake's DuckDB instance is dead");
      return false;
    }
  }

  async #askCatalog(): Promise<void> {
    using connection = await this.#database.connect();
    await this.#metadata.rows(connection, `SELECT max(snapshot_id) FROM ${METADATA}.ducklake_snapshot`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#turn.run(async () => {
      if (await this.#isAlive()) await this.#database[Symbol.asyncDispose]();
      else this.#database.abandon();
    });
  }
}

function withSlash(folder: string): string {
  return folder.endsWith("/") ? folder : `${folder}/`;
}

function openInstance({ queryMemoryMb, tempDirectory, walAutocheckpoint }: LakeOptions): Promise<Database> {
  return Database.open({
    ...(queryMemoryMb > 0 ? { memory_limit: `${queryMemoryMb}MB` } : {}),
    temp_directory: tempDirectory,
    wal_autocheckpoint: walAutocheckpoint,
  });
}
