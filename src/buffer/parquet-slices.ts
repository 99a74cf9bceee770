import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Failpoints } from "../base/failpoints.ts";
import { syncPath } from "../base/sync-path.ts";
import type { Connection, Database } from "../duck/database.ts";
import { qualifiedName, quoteLiteral } from "../duck/sql.ts";
import type { RowLayout } from "./row-layout.ts";
import { SEGMENT } from "./segment-file.ts";
import { parquetBytesOf } from "./segment-rows.ts";
import { SegmentWriter } from "./segment-writer.ts";
import type { ParquetFile } from "./types.ts";
import type { WriteUnit } from "./write-unit.ts";

/** Types whose values, and statistics, are the same in a file that DuckDB writes and in one that DuckLake writes. */
const PARQUET_TYPES =
  /^(BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\s*\d+\)|VARCHAR|DATE|TIME|TIMESTAMP|TIMESTAMP WITH TIME ZONE|UUID)$/i;

/** Columns of these names would hide the numbers of rows: see `rowsSql`. */
const RESERVED_NAMES = ["rowid", "file_row_number"];

/** Whether rows of the layout can be kept as Parquet. Those with a key cannot: a flush leaves out some of them. */
export function fitsParquet({ columns, primaryKey }: RowLayout): boolean {
  return (
    primaryKey.length === 0 &&
    columns.every(({ name, type }) => PARQUET_TYPES.test(type) && !RESERVED_NAMES.includes(name.toLowerCase()))
  );
}

/** Nothing else is left to do for a stream whose last slice is written. Before, a second thread would take turns with its decoding. */
const LAST_COPY_THREADS = 2;

export interface SliceSettings {
  /** Arrow bytes of the first slice; each one is twice as large as that before it, up to `greatestBytes`. */
  readonly firstBytes: number;
  readonly greatestBytes: number;
  readonly failpoints: Failpoints;
}

interface Slice {
  readonly index: number;
  readonly table: string;
  readonly writer: SegmentWriter;
  rows: number;
  bytes: number;
}

/**
 * A staged stream's rows on their way into Parquet files, which a flush gives to the lake as they are, so that they are
 * written once. A slice of them is in memory; a COPY writes it to a file while the next one fills. (DuckDB cannot write one
 * Parquet file bit by bit, as batches come.)
 */
export class ParquetSlices {
  readonly #layout: RowLayout;
  readonly #folder: string;
  readonly #settings: SliceSettings;
  readonly #appends: Connection;
  readonly #copies: Connection;
  readonly #files: ParquetFile[] = [];
  #slice: Slice | undefined;
  #fullSlices = 0;
  /** Of the full slices. */
  #copy: Promise<void> = Promise.resolve();

  private constructor(
    layout: RowLayout,
    folder: string,
    settings: SliceSettings,
    appends: Connection,
    copies: Connection,
  ) {
    this.#layout = layout;
    this.#folder = folder;
    this.#settings = settings;
    this.#appends = appends;
    this.#copies = copies;
  }

  /** `database`: the instance that has the segment attached. `folder` is made with the first file. */
  static async open(
    database: Database,
    layout: RowLayout,
    folder: string,
    settings: SliceSettings,
  ): Promise<ParquetSlices> {
    return new ParquetSlices(layout, folder, settings, await database.connect(), await database.connect());
  }

  /** Whether rows have gone to a file: `moveTo` would forget them. */
  get hasFiles(): boolean {
    return this.#fullSlices > 0;
  }

  /** Whether the unit is the one that makes its slice full. */
  fillsSlice(unit: WriteUnit): boolean {
    return (this.#slice?.bytes ?? 0) + unit.bytes >= this.#limitBytes;
  }

  get diskBytes(): number {
    return parquetBytesOf(this.#files);
  }

  async write(unit: WriteUnit): Promise<void> {
    this.#slice ??= await this.#begin();
    const slice = this.#slice;
    await slice.writer.write([unit]);
    slice.rows += unit.rows;
    slice.bytes += unit.bytes;
    if (slice.bytes >= this.#limitBytes) await this.#end(slice);
  }

  /** Writes the first slice to the segment's table instead, in the transaction of `connection`, which has the segment attached. */
  async moveTo(connection: Connection): Promise<void> {
    if (!this.#slice) return;
    this.#slice.writer.flush();
    await connection.run(`INSERT INTO ${SEGMENT}.main.rows FROM ${nameOf(this.#slice)}`);
    this.#slice.writer.close();
    await this.#appends.run(`DROP TABLE ${nameOf(this.#slice)}`);
    this.#slice = undefined;
  }

  /** All files, durable. */
  async finish(): Promise<readonly ParquetFile[]> {
    await this.#copy;
    await this.#copies.run(`SET threads = ${LAST_COPY_THREADS}`);
    if (this.#slice) await this.#end(this.#slice);
    await this.#copy;
    await syncPath(this.#folder);
    await syncPath(dirname(this.#folder));
    return this.#files;
  }

  /** Waits for what runs; files stay. */
  async close(): Promise<void> {
    await this.#copy.catch(() => {});
    // The instance may be another segment's next.
    await this.#copies.run("SET threads = 1").catch(() => {});
    this.#slice?.writer.close();
    this.#slice = undefined;
    this.#appends.close();
    this.#copies.close();
  }

  get #limitBytes(): number {
    const { firstBytes, greatestBytes } = this.#settings;
    return Math.min(firstBytes * 2 ** this.#fullSlices, Math.max(firstBytes, greatestBytes));
  }

  async #begin(): Promise<Slice> {
    const index = this.#fullSlices;
    const table = `slice_${index}`;
    await this.#appends.run(`CREATE TABLE ${nameOf({ table })} (${this.#layout.definition})`);
    return { index, table, writer: new SegmentWriter(this.#appends, "memory", table), rows: 0, bytes: 0 };
  }

  /** Its COPY begins; returns once that of the slice before has ended, so that there are at most two in memory. */
  async #end(slice: Slice): Promise<void> {
    slice.writer.flush();
    slice.writer.close();
    this.#slice = undefined;
    this.#fullSlices += 1;
    await this.#copy;
    this.#copy = this.#toFile(slice);
    // Told by what comes next.
    this.#copy.catch(() => {});
  }

  async #toFile(slice: Slice): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const name = `${slice.index}.parquet`;
    const path = join(this.#folder, name);
    this.#settings.failpoints.hit("stage.before_copy");
    await this.#copies.run(`COPY ${nameOf(slice)} TO ${quoteLiteral(path)} (FORMAT parquet)`);
    await this.#copies.run(`DROP TABLE ${nameOf(slice)}`);
    await syncPath(path);
    const hasStatistics = await this.#hasStatistics(path);
    this.#files.push({ name, rows: slice.rows, bytes: (await stat(path)).size, hasStatistics });
  }

  /**
   * DuckLake takes a file's statistics from its footer, and those of a group of rows without any for those of the others:
   * with NaN or an infinity among its values a group has none, and queries would leave the file out. U+0000 ends a text
   * in the catalog.
   */
  async #hasStatistics(path: string): Promise<boolean> {
    const [row] = await this.#copies.rows(
      `SELECT bool_and(stats_null_count IS NOT NULL AND (stats_null_count = num_values
           OR coalesce(stats_min_value || stats_max_value NOT LIKE '%' || chr(0) || '%', false))) AS has
         FROM parquet_metadata(${quoteLiteral(path)})`,
    );
    return row?.["has"] === true;
  }
}

function nameOf({ table }: Pick<Slice, "table">): string {
  return qualifiedName("memory", "main", table);
}
