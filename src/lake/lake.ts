import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { assert } from "../base/assert.ts";
import type { TableShape } from "../base/table.ts";
import { type Target, targetKey } from "../base/target.ts";
import { startWriteTimes } from "../base/write-times.ts";
import type { Connection, Database } from "../duck/database.ts";
import { fromDuckError, isFatal } from "../duck/errors.ts";
import { LAKE, quoteIdentifier } from "../duck/sql.ts";
import { CatalogWatch, type Outage } from "./catalog-watch.ts";
import { type CatalogRow, parseCatalog } from "./catalogs.ts";
import { type CommitServices, FlushRun } from "./commit.ts";
import type { CreateOptions } from "./ddl.ts";
import { Definitions } from "./definitions.ts";
import { Fences } from "./fence.ts";
import { type LakeInfo, readInfo } from "./info.ts";
import { LakeInstance, type LakePlace } from "./instance.ts";
import { type Maintenance, type MaintenanceControl, maintain } from "./maintenance.ts";
import { Metadata } from "./metadata.ts";
import type { LakeOptions } from "./options.ts";
import { prepareLake } from "./prepare.ts";
import { type Attempts, type Committer, Retries } from "./retries.ts";
import { parseDataPath } from "./stores.ts";
import { TableFences } from "./table-fences.ts";
import { Tables } from "./tables.ts";
import { Turn } from "./turn.ts";
import type { CommitResult, FlushPart } from "./types.ts";
import { commitUnmarked } from "./unmarked-commit.ts";
import { waitForCatalog } from "./wait-for-catalog.ts";
import { Watermarks } from "./watermark.ts";

/** The lake as the rest of the process sees it; what it does is done by its parts. */
export class Lake implements AsyncDisposable {
  readonly capabilities: CatalogRow;
  readonly #options: LakeOptions;
  readonly #place: LakePlace;
  readonly #instance: LakeInstance;
  /** Transactions of Eider's own that must not run beside each other: flushes, key changes, new state tables. */
  readonly #turn = new Turn();
  readonly #definitions = new Definitions();
  readonly #retries: Retries;
  readonly #tables: Tables;
  readonly #fences: Fences;
  readonly #tableFences: TableFences;
  readonly #watermarks: Watermarks;
  readonly #watch: CatalogWatch;
  #commits: CommitServices | undefined;

  private constructor(options: LakeOptions, place: LakePlace, instance: LakeInstance) {
    const { catalog, dataPath, metadata } = place;
    const { log } = options;
    this.#options = options;
    this.#place = place;
    this.#instance = instance;
    this.capabilities = { ...catalog.row, multiProcess: options.multiProcess ?? catalog.row.multiProcess };
    const isShared = this.capabilities.multiProcess;
    const turn = this.#turn;
    const definitions = this.#definitions;
    const connect = () => instance.connect();
    this.#watermarks = new Watermarks(options.writerId);
    this.#fences = new Fences(isShared);
    const retries = new Retries({
      rebase: () => this.#tables.invalidate(),
      onConflict: (committer, kind) => options.onConflict?.(committer, kind),
    });
    this.#retries = retries;
    const holdDefinitions = () => definitions.hold();
    const tables = { metadata, connect, dataPath: dataPath.location, isShared, turn, retries, holdDefinitions, log };
    this.#tables = new Tables(tables);
    const fences = { tables: this.#tables, fences: this.#fences, connect, definitions, turn, retries };
    this.#tableFences = new TableFences(fences);
    this.#watch = new CatalogWatch({
      probe: () => instance.askCatalog(),
      onBack: () => options.onBack?.(),
      log,
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
    const place = { catalog, dataPath, metadata: new Metadata(catalog.row.queryFunction) };
    const { catalogWaitSeconds = 0, stopSignal: signal, log } = options;
    return await waitForCatalog(() => Lake.#openOnce(options, place), {
      // Another process may have a catalog's file for good.
      waitSeconds: catalog.row.isFile ? 0 : catalogWaitSeconds,
      signal,
      log,
    });
  }

  static async #openOnce(options: LakeOptions, place: LakePlace): Promise<Lake> {
    const lake = new Lake(options, place, await LakeInstance.open(options, place));
    try {
      await lake.#prepare();
      return lake;
    } catch (error) {
      await lake[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    const { failpoints, log, writerId } = this.#options;
    const connect = () => this.#instance.connect();
    const [watermarks, fences, retries] = [this.#watermarks, this.#fences, this.#retries];
    const preparation = { place: this.#place, connect, watermarks, fences, retries };
    const prepared = await prepareLake(this.#options, preparation);
    this.#commits = {
      ...prepared,
      database: () => this.#instance.database,
      connect,
      reopen: () => this.#reopenIfDead(),
      tables: this.#tables,
      watermarks,
      fences,
      retries,
      holdDefinitions: () => this.#definitions.holdForFlush(),
      writerId,
      failpoints,
      log,
    };
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

  /** See `Definitions.hold`. */
  holdDefinitions(): Promise<() => void> {
    return this.#definitions.hold();
  }

  /** Another process serves this writer now: what waits here must not be flushed. */
  get isTakenOver(): boolean {
    return this.#watermarks.isTakenOver;
  }

  /** The writer's watermarks by `targetKey`: the last `seq` of each target that is in the lake. */
  async watermarks(): Promise<ReadonlyMap<string, number>> {
    using connection = await this.#instance.connect();
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
  touchFence(connection: Connection, target: Target): Promise<void> {
    return this.#tableFences.touch(connection, target);
  }

  /** Whether `touchFence` would have to make the target's fence first. */
  lacksFence(target: Target): Promise<boolean> {
    return this.#tableFences.isMissing(target);
  }

  /** Not within a transaction that has defined tables: it would wait for itself. */
  makeFence(target: Target): Promise<void> {
    return this.#tableFences.make(target);
  }

  /**
   * Runs `work`, which commits to the lake: after all other commits where the catalog cannot take two at once, and again
   * after a conflict as `retries.ts` has it for the committer.
   */
  commit<T>(committer: Committer, work: () => Promise<T>, attempts?: Attempts): Promise<T> {
    return this.#retries.run(committer, () => this.#inTurn(work), attempts);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#place.catalog.row.commitsInTurn ? this.#turn.run(work) : work();
  }

  /**
   * Whether the answer to a COMMIT can be lost, so that a client's own statements need a transaction that is guarded too.
   */
  get guardsClients(): boolean {
    const { catalog, dataPath } = this.#place;
    return catalog.row.multiProcess && !catalog.row.isFile && dataPath.isLocal;
  }

  /** `Connection.transaction` for what a client writes: see `commitClient`. */
  async clientTransaction<T>(connection: Connection, body: () => Promise<T>): Promise<T> {
    const sinceMs = startWriteTimes();
    await connection.run("BEGIN");
    try {
      const result = await body();
      await this.commitClient(connection, sinceMs);
      return result;
    } catch (error) {
      await connection.rollback();
      throw error;
    }
  }

  /**
   * COMMIT of a client's transaction, whose files are `sinceMs` old at most; undefined: it has only read. When COMMIT's answer is
   * lost the client is told so, and the files stay that it has committed; not on object stores, where only the store can
   * keep them.
   */
  async commitClient(connection: Connection, sinceMs: (() => number) | undefined): Promise<void> {
    const services = this.#commits;
    assert(services, "the lake is open");
    if (!this.guardsClients || !sinceMs) {
      await connection.run("COMMIT");
      return;
    }
    const entry = await services.guards.protectSince(sinceMs());
    await commitUnmarked(services, connection, entry, "a client's transaction");
  }

  /** What the lake instance holds in memory, and has spilled to disk. */
  async usage(): Promise<{ readonly memoryBytes: number; readonly tempBytes: number }> {
    using connection = await this.#instance.connect();
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
    using connection = await this.#instance.connect();
    return await readInfo(connection, this.#place.metadata);
  }

  /**
   * To be called with an error of a session's statement. One that may mean that the instance is dead has it opened anew
   * if it is, which closes all its connections. Resolves to what the client is to be told.
   */
  async afterError(error: unknown): Promise<unknown> {
    if (isFatal(error)) await this.#turn.run(() => this.#reopenIfDead());
    return await this.#watch.explain(error);
  }

  async #reopenIfDead(): Promise<boolean> {
    const isNew = await this.#instance.reopenIfDead();
    if (isNew) this.#tables.invalidate();
    return isNew;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#turn.run(() => this.#instance[Symbol.asyncDispose]());
  }
}
