import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Column } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { Connection, Database } from "../duck/database.ts";
import { quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { tempFolderOf } from "./buffer-folder.ts";
import { type IdleInstances, openSegmentInstance, type SegmentInstance } from "./idle-instances.ts";
import { memoryUsage } from "./instance.ts";
import { opColumnOf, type RowLayout } from "./row-layout.ts";
import { rowsSql } from "./segment-rows.ts";
import type { ParquetFile } from "./types.ts";

/** Under this name the segment's file is attached to its instance. */
export const SEGMENT = "seg";

/** Of `meta`: 2 has the table `parquet`, and its rows in those files. */
const FORMAT_VERSIONS = { rows: 1, parquet: 2 };

/** What a segment's `meta` row says: written in the transaction of its first rows, so that both exist or neither. */
export interface SegmentMeta {
  readonly target: Target;
  readonly id: string | undefined;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  readonly firstSeq: number;
  readonly openedMs: number;
  readonly parquet: readonly ParquetFile[];
}

export interface TokenRow {
  readonly token: string;
  /** The table that it was for: another one of the same name has not seen it. */
  readonly tableId: string | undefined;
  readonly rows: number;
  readonly seq: number;
  readonly atMs: number;
}

export interface SegmentFileOptions {
  readonly memoryMb: number;
  readonly blockBytes?: number | undefined;
  readonly isReadOnly?: boolean;
  /** Where its instance comes from, and goes back to by `detach`; without it the instance is opened, and closed, with the file. */
  readonly instances?: IdleInstances;
}

/**
 * A segment's DuckDB file, attached to an in-memory instance of its own: tables `rows`, `meta`, `tokens`, and `parquet` when
 * the rows are in files beside it.
 */
export class SegmentFile implements AsyncDisposable {
  readonly path: string;
  readonly #instance: SegmentInstance;
  readonly #instances: IdleInstances | undefined;
  /** Queries that run on connections of their own: DuckDB crashes, or never answers, when the instance is closed under them. */
  readonly #readings = new Set<Promise<unknown>>();
  /** Known once the meta has been read, or written. */
  #parquet: readonly ParquetFile[] = [];
  #hasFailed = false;

  private constructor(path: string, instance: SegmentInstance, instances: IdleInstances | undefined) {
    this.path = path;
    this.#instance = instance;
    this.#instances = instances;
  }

  /** Opens or creates the file; opening replays its WAL. */
  static async open(path: string, options: SegmentFileOptions): Promise<SegmentFile> {
    const { memoryMb, blockBytes, isReadOnly, instances } = options;
    const isNew = !existsSync(path);
    const tempFolder = tempFolderOf(path);
    const instance = await (instances?.take(memoryMb, tempFolder) ?? openSegmentInstance(memoryMb, tempFolder));
    try {
      const attach: string[] = [];
      if (isReadOnly) attach.push("READ_ONLY");
      if (isNew && blockBytes !== undefined) attach.push(`BLOCK_SIZE ${blockBytes}`);
      await instance.database.attachFile(instance.connection, path, SEGMENT, attach.join(", "));
      return new SegmentFile(path, instance, instances);
    } catch (error) {
      await instance.database[Symbol.asyncDispose]();
      throw error;
    }
  }

  get connection(): Connection {
    return this.#instance.connection;
  }

  get database(): Database {
    return this.#instance.database;
  }

  /** In the caller's transaction. */
  async createTables(layout: RowLayout): Promise<void> {
    await this.connection.run(
      `CREATE TABLE ${SEGMENT}.main.rows (${layout.definition});
       CREATE TABLE ${SEGMENT}.main.meta (version INTEGER, target_schema VARCHAR, target_table VARCHAR, columns VARCHAR,
         primary_key VARCHAR, table_id VARCHAR, first_seq BIGINT, opened_ms BIGINT);
       CREATE TABLE ${SEGMENT}.main.tokens (token VARCHAR, rows BIGINT, seq BIGINT, at_ms BIGINT)`,
    );
  }

  async insertMeta(layout: RowLayout, firstSeq: number, openedMs: number): Promise<void> {
    await this.connection.run(`INSERT INTO ${SEGMENT}.main.meta VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, [
      FORMAT_VERSIONS[this.#parquet.length > 0 ? "parquet" : "rows"],
      layout.target.schema,
      layout.target.table,
      JSON.stringify(layout.columns),
      JSON.stringify(layout.primaryKey),
      layout.id ?? null,
      BigInt(firstSeq),
      BigInt(openedMs),
    ]);
  }

  /** In the transaction that inserts the meta, and before it: all rows are in these files, the table is empty. */
  async insertParquet(parquet: readonly ParquetFile[]): Promise<void> {
    await this.connection.run(
      `CREATE TABLE ${SEGMENT}.main.parquet (name VARCHAR, rows BIGINT, bytes BIGINT, has_statistics BOOLEAN)`,
    );
    for (const { name, rows, bytes, hasStatistics } of parquet) {
      await this.connection.run(`INSERT INTO ${SEGMENT}.main.parquet VALUES ($1, $2, $3, $4)`, [
        name,
        BigInt(rows),
        BigInt(bytes),
        hasStatistics,
      ]);
    }
    this.#parquet = parquet;
  }

  async #readParquet(): Promise<readonly ParquetFile[]> {
    const rows = await this.connection.rows(`FROM ${SEGMENT}.main.parquet ORDER BY rowid`);
    return rows.map((row) => ({
      name: String(row["name"]),
      rows: Number(row["rows"]),
      bytes: Number(row["bytes"]),
      hasStatistics: row["has_statistics"] === true,
    }));
  }

  /** False while the transaction that makes them is not committed, or when its WAL is gone. */
  async hasTables(): Promise<boolean> {
    const tables = await this.connection.rows(
      `SELECT table_name FROM duckdb_tables() WHERE database_name = '${SEGMENT}' AND table_name = 'meta'`,
    );
    return tables.length > 0;
  }

  /** Undefined when nothing was ever committed: a segment made ahead, or a staged stream that was not published. */
  async readMeta(): Promise<SegmentMeta | undefined> {
    if (!(await this.hasTables())) return undefined;
    const [row] = await this.connection.rows(`SELECT * FROM ${SEGMENT}.main.meta`);
    if (row === undefined) return undefined;
    if (!Object.values<unknown>(FORMAT_VERSIONS).includes(row["version"])) {
      throw new EiderError("internal", `segment ${this.path} has format ${String(row["version"])}, which is not known`);
    }
    if (row["version"] === FORMAT_VERSIONS.parquet) this.#parquet = await this.#readParquet();
    return {
      target: { schema: String(row["target_schema"]), table: String(row["target_table"]) },
      id: textOf(row["table_id"]),
      columns: JSON.parse(String(row["columns"])) as Column[],
      primaryKey: JSON.parse(String(row["primary_key"])) as string[],
      firstSeq: Number(row["first_seq"]),
      openedMs: Number(row["opened_ms"]),
      parquet: this.#parquet,
    };
  }

  async countRows(): Promise<number> {
    return this.#count(`SELECT count(*) AS n FROM ${this.#rowsSql}`);
  }

  get #rowsSql(): string {
    return rowsSql(SEGMENT, { path: this.path, parquet: this.#parquet });
  }

  /** Reads all values of all rows; resolves to their number. */
  async readThrough(): Promise<number> {
    // The hash needs every value, where count(*) reads no column.
    return this.#count(`SELECT count(hash(*COLUMNS(*))) AS n FROM ${this.#rowsSql}`);
  }

  async countTokens(): Promise<number> {
    return this.#count(`SELECT count(*) AS n FROM ${SEGMENT}.main.tokens`);
  }

  async hasNonInserts(meta: Pick<SegmentMeta, "columns" | "primaryKey">): Promise<boolean> {
    if (meta.primaryKey.length === 0) return false;
    const op = quoteIdentifier(opColumnOf(meta.columns));
    return (await this.#count(`SELECT count(*) AS n FROM ${SEGMENT}.main.rows WHERE ${op} <> 0`)) > 0;
  }

  async countNulls(column: string): Promise<number> {
    return this.#count(`SELECT count(*) AS n FROM ${this.#rowsSql} WHERE ${quoteIdentifier(column)} IS NULL`);
  }

  async readTokens(tableId: string | undefined, sinceMs: number): Promise<TokenRow[]> {
    const rows = await this.connection.rows(
      `SELECT token, rows, seq, at_ms FROM ${SEGMENT}.main.tokens WHERE at_ms >= $1 ORDER BY at_ms`,
      [BigInt(sinceMs)],
    );
    return rows.map((row) => tokenRow({ ...row, table_id: tableId }));
  }

  async setMemory(memoryMb: number): Promise<void> {
    await this.connection.run(`SET memory_limit = '${memoryMb}MiB'`);
  }

  async checkpoint(): Promise<void> {
    try {
      await this.connection.run(`CHECKPOINT ${SEGMENT}`);
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  /** Zeros when the instance cannot tell: one whose memory is full may have none left to answer. Not once it is being closed. */
  async usage(): Promise<{ memoryBytes: number; tempBytes: number }> {
    const reading = memoryUsage(this.#instance.database).catch(() => ({ memoryBytes: 0, tempBytes: 0 }));
    this.#readings.add(reading);
    try {
      return await reading;
    } finally {
      this.#readings.delete(reading);
    }
  }

  async #count(sql: string): Promise<number> {
    const [row] = await this.connection.rows(sql);
    return Number(row?.["n"]);
  }

  /**
   * Closes the file; the instance is left for another one unless a checkpoint has failed. No appender and no transaction may
   * be left on it, and nothing else may have failed: then it is to be disposed of.
   */
  async detach(): Promise<void> {
    if (this.#hasFailed) return this[Symbol.asyncDispose]();
    await Promise.all(this.#readings);
    try {
      await this.#instance.database.detachFile(this.connection, this.path, SEGMENT);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
    if (this.#instances) await this.#instances.giveBack(this.#instance);
    else await this.#instance.database[Symbol.asyncDispose]();
    await this.#removeTempFolder();
  }

  /** Detaches the file and closes the instance. No appender may be left on it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { database, connection } = this.#instance;
    await Promise.all(this.#readings);
    try {
      // What `Connection.runInThread` leaves keeps the instance alive until V8 collects it: with the file still attached, it
      // would then close the file under whoever has attached it meanwhile.
      await connection.rollback();
      await database.detachFile(connection, this.path, SEGMENT);
      await database[Symbol.asyncDispose]();
    } catch {
      database.abandon();
    }
    await this.#removeTempFolder();
  }

  async #removeTempFolder(): Promise<void> {
    await rm(this.#instance.tempFolder, { recursive: true, force: true });
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function tokenRow(row: Record<string, unknown>): TokenRow {
  return {
    token: String(row["token"]),
    tableId: textOf(row["table_id"]),
    rows: Number(row["rows"]),
    seq: Number(row["seq"]),
    atMs: Number(row["at_ms"]),
  };
}
