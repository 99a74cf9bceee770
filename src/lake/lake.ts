import { dirname } from "node:path";
import { assert } from "../base/assert.ts";
import type { TableShape } from "../base/table.ts";
import { type Target, targetKey } from "../base/target.ts";
import type { Connection, Database } from "../duck/database.ts";
import { fromDuckError, isFatal } from "../duck/errors.ts";
import { makeFolder } from "../duck/make-folder.ts";
import { LAKE, quoteIdentifier } from "../duck/sql.ts";
import type { CatalogWatch, Outage } from "./catalog-watch.ts";
import { type CatalogRow, parseCatalog } from "./catalogs.ts";
import { ClientTransactions } from "./client-transactions.ts";
import { FlushRun } from "./commit.ts";
import type { CreateOptions } from "./ddl.ts";
import { type LakeInfo, readInfo } from "./info.ts";
import type { LakeInstance, LakePlace } from "./instance.ts";
import { canLink } from "./local-files.ts";
import { type Maintenance, type MaintenanceControl, maintain } from "./maintenance.ts";
import { Metadata } from "./metadata.ts";
import type { LakeOptions } from "./options.ts";
import { type LakeParts, openParts } from "./parts.ts";
import type { Attempts, Committer } from "./retries.ts";
import { renewStatistics } from "./statistics.ts";
import { parseDataPath } from "./stores.ts";
import type { TableDescriptions } from "./table-descriptions.ts";
import type { CommitResult, FlushPart } from "./types.ts";
import { waitForCatalog } from "./wait-for-catalog.ts";

/** After these DuckLake 1.5.5 loads the schema anew, and frees the one that a transaction which defines tables refers to. */
const FREES_SCHEMAS: ReadonlySet<Maintenance["kind"]> = new Set(["expire", "flush_inlined"] as const);

/** The lake as the rest of the process sees it; what it does is done by its parts. */
export class Lake implements AsyncDisposable {
  readonly capabilities: CatalogRow;
  /** What clients write in transactions of their own. */
  readonly clients: ClientTransactions;
  readonly #options: LakeOptions;
  readonly #place: LakePlace;
  readonly #parts: LakeParts;
  readonly #instance: LakeInstance;
  readonly #descriptions: TableDescriptions;
  readonly #watch: CatalogWatch;

  private constructor(options: LakeOptions, place: LakePlace, capabilities: CatalogRow, parts: LakeParts) {
    const { catalog, dataPath } = place;
    this.#options = options;
    this.#place = place;
    this.capabilities = capabilities;
    this.#parts = parts;
    this.#instance = parts.instance;
    this.#descriptions = parts.services.descriptions;
    this.#watch = parts.watch;
    const isGuarded = catalog.row.multiProcess && !catalog.row.isFile && dataPath.isLocal;
    this.clients = new ClientTransactions(parts.services, isGuarded);
  }

  /**
   * Attaches the lake, makes what is missing (catalog, data path, target schema, Eider's state) and settles what an
   * earlier process left in doubt. Throws `config_invalid` and `lake_unavailable`.
   */
  static async open(options: LakeOptions): Promise<Lake> {
    const catalog = parseCatalog(options.catalog, options.catalogPassword);
    const dataPath = parseDataPath(options.dataPath);
    if (catalog.path !== undefined) await makeFolder(dirname(catalog.path), "the catalog's folder");
    if (dataPath.isLocal) await makeFolder(dataPath.location, "data_path");
    const place = { catalog, dataPath, metadata: new Metadata(catalog.row.queryFunction) };
    const capabilities = { ...catalog.row, multiProcess: options.multiProcess ?? catalog.row.multiProcess };
    const { catalogWaitSeconds = 0, stopSignal: signal, log } = options;
    const parts = await waitForCatalog(() => openParts(options, place, capabilities.multiProcess), {
      // Another process may have a catalog's file for good.
      waitSeconds: catalog.row.isFile ? 0 : catalogWaitSeconds,
      signal,
      log,
    });
    return new Lake(options, place, capabilities, parts);
  }

  /** The instance, for attaching files to it. Another one after a fatal error: do not keep it. */
  get database(): Database {
    return this.#instance.database;
  }

  /** A connection for a session, in the lake's target schema. The caller closes it. */
  async connect(): Promise<Connection> {
    const connection = await this.#instance.connect();
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
    using connection = await this.#instance.connect();
    await connection.run("SELECT 1");
  }

  /** Whether files of a folder can become the lake's without being copied; the folder is made. */
  async takesFilesOf(folder: string): Promise<boolean> {
    const { isLocal, location } = this.#place.dataPath;
    if (!isLocal) return false;
    await makeFolder(folder, "buffer_dir");
    return await canLink(folder, location);
  }

  describe(target: Target): Promise<TableShape | undefined> {
    return this.#explaining(() => this.#descriptions.describe(target));
  }

  /**
   * The same for rows that only wait for the lake: `known`, an earlier description, while the catalog is away. Rows belong
   * to a table and its columns by id, so that they find their place whatever has become of the table meanwhile.
   */
  describeOr(target: Target, known: TableShape): Promise<TableShape | undefined> {
    return this.#watch.unlessAway<TableShape | undefined>(known, () => this.#descriptions.describe(target));
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
    return this.#explaining(() => this.#descriptions.version());
  }

  /** After statements of sessions that may have changed a table, and when their transaction has committed. */
  invalidate(): void {
    this.#descriptions.invalidate();
  }

  createTable(shape: TableShape, options?: CreateOptions): Promise<boolean> {
    return this.#explaining(() => this.#parts.tables.createTable(shape, options));
  }

  setPrimaryKey(target: Target, columns: readonly string[]): Promise<void> {
    return this.#parts.tables.setPrimaryKey(target, columns);
  }

  /** For a table that a session has made with a key: so that a comment of the user's does not end the key. Never rejects. */
  mirrorKey(target: Target): Promise<void> {
    return this.#parts.tables.mirrorKey(target);
  }

  dropTable(target: Target, options?: { readonly ifExists?: boolean }): Promise<void> {
    return this.#parts.tables.dropTable(target, options);
  }

  /** See `Definitions.hold`. */
  holdDefinitions(): Promise<() => void> {
    return this.#parts.definitions.hold();
  }

  /** See `Definitions.run`. */
  define<T>(work: () => Promise<T>): Promise<T> {
    return this.#parts.definitions.run(work);
  }

  /** Another process serves this writer now: what waits here must not be flushed. */
  get isTakenOver(): boolean {
    return this.#parts.services.watermarks.isTakenOver;
  }

  /** The writer's watermarks by `targetKey`: the last `seq` of each target that is in the lake. */
  async watermarks(): Promise<ReadonlyMap<string, number>> {
    using connection = await this.#instance.connect();
    return await this.#parts.services.watermarks.read(connection);
  }

  /** The target's watermark; 0 when nothing of it was ever flushed. */
  async lastSeq(target: Target): Promise<number> {
    return (await this.watermarks()).get(targetKey(target)) ?? 0;
  }

  /** Commits the parts, which are of different targets; one flush at a time. Failures are in the result. */
  commitFlush(parts: readonly FlushPart[]): Promise<CommitResult> {
    assert(new Set(parts.map(({ target }) => targetKey(target))).size === parts.length, "one part for each target");
    return this.#parts.turn.run(async () => {
      const { failures, ...result } = await FlushRun.run(this.#parts.services, parts);
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
  touchFence(connection: Connection, target: Target): Promise<void> {
    return this.#parts.tableFences.touch(connection, target);
  }

  /** Whether `touchFence` would have to make the target's fence first. */
  lacksFence(target: Target): Promise<boolean> {
    return this.#parts.tableFences.isMissing(target);
  }

  /** Not within a transaction that has defined tables: it would wait for itself. */
  makeFence(target: Target): Promise<void> {
    return this.#parts.tableFences.make(target);
  }

  /**
   * Runs `work`, which commits to the lake: after all other commits where the catalog cannot take two at once, and again
   * after a conflict as `retries.ts` has it for the committer.
   */
  commit<T>(committer: Committer, work: () => Promise<T>, attempts?: Attempts): Promise<T> {
    return this.#parts.services.retries.run(committer, () => this.#inTurn(work), attempts);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#place.catalog.row.commitsInTurn ? this.#parts.turn.run(work) : work();
  }

  /** What the lake instance holds in memory, of that DuckLake's cache of schemas and statistics, and has spilled to disk. */
  async usage(): Promise<{ readonly memoryBytes: number; readonly cacheBytes: number; readonly tempBytes: number }> {
    using connection = await this.#instance.connect();
    const [row] = await connection.rows(
      `SELECT sum(memory_usage_bytes)::DOUBLE AS memory, sum(temporary_storage_bytes)::DOUBLE AS temp,
         sum(memory_usage_bytes) FILTER (tag = 'OBJECT_CACHE')::DOUBLE AS cache FROM duckdb_memory()`,
    );
    const bytes = (name: string) => Number(row?.[name] ?? 0);
    return { memoryBytes: bytes("memory"), cacheBytes: bytes("cache"), tempBytes: bytes("temp") };
  }

  /** DuckLake's own work on its files; rejects with `write_conflict` when a writer was faster, `cancelled` by its signal. */
  maintain(work: Maintenance, control: MaintenanceControl): Promise<number> {
    const { definitions, services } = this.#parts;
    const run = () => maintain(services, work, control, (commit) => this.#inTurn(commit));
    return FREES_SCHEMAS.has(work.kind) ? definitions.runInFlush(run) : run();
  }

  /** Files put back after COMMITs whose answer was lost, since the lake was opened. */
  get restoredFiles(): number {
    return this.#parts.services.guards.restored;
  }

  /** Parquet files of segments that became the lake's as they were, since the lake was opened. */
  get adoptedFiles(): number {
    return this.#parts.services.adoption.files;
  }

  async info(): Promise<LakeInfo> {
    using connection = await this.#instance.connect();
    return await readInfo(connection, this.#place.metadata);
  }

  /** To be called once the transaction that has changed a column's type has ended. */
  async renewStatistics(): Promise<void> {
    const { definitions, turn, services } = this.#parts;
    // Where tables are being defined for long, the first error by the old statistics has it done.
    await definitions.runInFlush(() => turn.run(() => renewStatistics(services.connect, services.log))).catch(() => {});
  }

  /**
   * To be called with an error of a session's statement. One that may mean that the instance is dead has it opened anew
   * if it is, which closes all its connections. Resolves to what the client is to be told.
   */
  async afterError(error: unknown): Promise<unknown> {
    if (isFatal(error)) await this.#parts.turn.run(() => this.#parts.services.reopen(error));
    return await this.#watch.explain(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#parts.turn.run(() => this.#instance[Symbol.asyncDispose]());
  }
}
