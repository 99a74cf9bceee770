import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type FailpointSpec, Failpoints } from "../../../src/base/failpoints.ts";
import type { Column } from "../../../src/base/table.ts";
import type { Target } from "../../../src/base/target.ts";
import { parquetFolderOf, removeDatabase } from "../../../src/buffer/buffer-folder.ts";
import type { Compaction, ParquetFile, SealedSegment } from "../../../src/buffer/types.ts";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { quoteIdentifier } from "../../../src/duck/sql.ts";
import { Lake } from "../../../src/lake/lake.ts";
import type { LakeOptions } from "../../../src/lake/options.ts";
import type { FlushPart, Log } from "../../../src/lake/types.ts";

/** Folder of the DuckDB extensions; the compiled tests live in <repo>/<dist>/test/unit/lake. */
export const EXTENSION_DIR =
  process.env["EIDER_EXTENSION_DIR"] ?? resolve(dirname(fileURLToPath(import.meta.url)), "../../../../.extensions");

export async function loadExtension(connection: Connection, name: string): Promise<void> {
  await connection.run(`LOAD '${EXTENSION_DIR}/${name}.duckdb_extension'`);
}

export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

export const column = (name: string, type: string, nullable = true): Column => ({ name, type, nullable });
export const target = (table: string, schema = "main"): Target => ({ schema, table });

export interface SegmentSpec {
  readonly target: Target;
  readonly columns: readonly Column[];
  readonly primaryKey?: readonly string[];
  readonly firstSeq: number;
  /** SELECT with the columns, then the op (0 insert, 1 upsert, 2 delete) when there is a key. */
  readonly select: string;
  /** The rows of each are a Parquet file, and the segment has no others. */
  readonly parquet?: readonly string[];
}

/** A lake in a folder of its own, and segments for it, written as the buffers write them. */
export class LakeFixture implements AsyncDisposable {
  readonly folder: string;
  #segments = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<LakeFixture> {
    const fixture = new LakeFixture(await mkdtemp(join(tmpdir(), "eider-lake-")));
    await mkdir(join(fixture.folder, "buffer"));
    return fixture;
  }

  get dataPath(): string {
    return join(this.folder, "lake");
  }

  get guardDir(): string {
    return join(this.folder, "guard");
  }

  open(options: Partial<LakeOptions> & { readonly spec?: FailpointSpec } = {}): Promise<Lake> {
    const { spec, ...rest } = options;
    return Lake.open({
      catalog: `duckdb:${join(this.folder, "catalog.ducklake")}`,
      catalogPassword: "",
      storeEndpoint: "",
      storeRegion: "",
      storeUrlStyle: "",
      storeUseSsl: true,
      storeKeyId: "",
      storeSecret: "",
      storeSessionToken: "",
      storeAccount: "",
      storeConnection: "",
      guardStore: true,
      dataPath: this.dataPath,
      targetSchema: "main",
      writerId: "writer-1",
      leaseFile: join(this.folder, "lease"),
      guardDir: this.guardDir,
      queryMemoryMb: 0,
      walAutocheckpoint: "1GB",
      tempDirectory: join(this.folder, "tmp"),
      loadExtension,
      failpoints: new Failpoints(spec),
      log: silent,
      ...rest,
    });
  }

  async segment(spec: SegmentSpec): Promise<SealedSegment> {
    this.#segments++;
    const id = `segment-${this.#segments}`;
    const path = join(this.folder, "buffer", `${id}.db`);
    const primaryKey = spec.primaryKey ?? [];
    const definition = spec.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`);
    if (primaryKey.length > 0) definition.push("_eider_op UTINYINT");
    const { rows, nonInserts } = await this.#write(path, async (connection) => {
      await connection.run(`CREATE TABLE seg.rows(${definition.join(", ")}); INSERT INTO seg.rows ${spec.select}`);
      const filter = primaryKey.length > 0 ? "_eider_op <> 0" : "false";
      const [row] = await connection.rows(`SELECT count(*) AS n, count(*) FILTER (${filter}) AS changes FROM seg.rows`);
      return { rows: Number(row?.["n"]), nonInserts: Number(row?.["changes"]) };
    });
    const parquet = await this.#writeParquet(path, spec.parquet ?? []);
    const allRows = parquet.reduce((sum, file) => sum + file.rows, rows);
    return {
      id,
      path,
      target: spec.target,
      firstSeq: spec.firstSeq,
      lastSeq: spec.firstSeq + allRows - 1,
      rows: allRows,
      bytes: allRows * 16,
      fileBytes: 0,
      parquet,
      columns: spec.columns,
      primaryKey,
      hasNonInserts: nonInserts > 0,
      oldestMs: 0,
      reason: "rows",
      recovered: false,
    };
  }

  /** As the buffers do once it is flushed. */
  async forget({ path }: SealedSegment): Promise<void> {
    await removeDatabase(path);
  }

  async #writeParquet(path: string, selects: readonly string[]): Promise<ParquetFile[]> {
    if (selects.length === 0) return [];
    const folder = parquetFolderOf(path);
    await mkdir(folder);
    await using database = await Database.open();
    using connection = await database.connect();
    const files: ParquetFile[] = [];
    for (const [i, select] of selects.entries()) {
      const name = `${i}.parquet`;
      const rows = await connection.run(`COPY (${select}) TO '${join(folder, name)}' (FORMAT parquet)`);
      files.push({ name, rows, bytes: (await stat(join(folder, name))).size, hasStatistics: true });
    }
    return files;
  }

  /** Winners over the segments, as the buffers find them. */
  async compact(segments: readonly SealedSegment[]): Promise<Compaction> {
    const rowsIn = segments.reduce((sum, segment) => sum + segment.rows, 0);
    const key = segments[0]?.primaryKey ?? [];
    if (key.length === 0) return { path: undefined, rowsIn, rowsOut: rowsIn };
    this.#segments++;
    const path = join(this.folder, "buffer", `winners-${this.#segments}.db`);
    const list = key.map(quoteIdentifier).join(", ");
    const rowsOut = await this.#write(path, async (connection) => {
      for (const [i, segment] of segments.entries())
        await connection.run(`ATTACH '${segment.path}' AS s${i} (READ_ONLY)`);
      const rows = segments.map((_, i) => `SELECT ${list}, (${i}::BIGINT << 40) + rowid AS p FROM s${i}.rows`);
      await connection.run(
        `CREATE TABLE seg.winners AS SELECT (p >> 40)::INTEGER AS segment, p & ((1::BIGINT << 40) - 1) AS rid
           FROM (SELECT max(p) AS p FROM (${rows.join(" UNION ALL ")}) GROUP BY ${list})`,
      );
      const [row] = await connection.rows("SELECT count(*) AS n FROM seg.winners");
      return Number(row?.["n"]);
    });
    return { path, rowsIn, rowsOut };
  }

  async part(...segments: readonly [SealedSegment, ...SealedSegment[]]): Promise<FlushPart> {
    return { target: segments[0].target, segments, compaction: await this.compact(segments) };
  }

  async #write<T>(path: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    await using database = await Database.open();
    using connection = await database.connect();
    await database.attachFile(connection, path, "seg");
    const result = await work(connection);
    await connection.run("CHECKPOINT seg");
    await database.detachFile(connection, path, "seg");
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** DuckLake's, when it does not know whether its COMMIT took effect. */
export const LOST_ANSWER =
  'Failed to commit DuckLake transaction. Failed to execute query "COMMIT": server closed the connection';

/**
 * Puts `around` in the place of the COMMIT of the next flush: it runs the real one by `commit()`, and can
 * do what another client, or a broken network, would do before and after it.
 */
export function interceptCommit(
  lake: Lake,
  around: (run: () => Promise<number>) => Promise<number>,
  at: RegExp = /^COMMIT$/,
): void {
  const { database } = lake;
  const connect = database.connect.bind(database);
  let isArmed = true;
  database.connect = async () => {
    const connection = await connect();
    const run = connection.run.bind(connection);
    // Eider's other transactions have no commit message.
    let isFlush = false;
    connection.run = async (sql, values) => {
      isFlush ||= sql.includes("set_commit_message");
      if (!at.test(sql) || !isFlush || !isArmed) return run(sql, values);
      isArmed = false;
      database.connect = connect;
      return around(() => run(sql, values));
    };
    return connection;
  };
}

/** Runs SQL without telling the lake, as another process would. */
export async function changeFromOutside(lake: Lake, sql: string): Promise<Array<Record<string, unknown>>> {
  using connection = await lake.connect();
  return await connection.rows(sql);
}

/** Runs SQL as a session does, which tells the lake when tables may have changed; rows by value, BIGINT as number. */
export async function query(lake: Lake, sql: string): Promise<Array<Record<string, unknown>>> {
  const rows = await changeFromOutside(lake, sql);
  lake.invalidate();
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]),
    ),
  );
}
