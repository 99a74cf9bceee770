import { rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Failpoints } from "../base/failpoints.ts";
import { syncPath } from "../base/sync-path.ts";
import { columnNamed } from "../base/table.ts";
import { targetName } from "../base/target.ts";
import { isDurableAnyway, isFatal } from "../duck/errors.ts";
import { quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { BatchPlan } from "./batch-plan.ts";
import { diskBytesOf, markUsed, newId, parquetFolderOf, removeDatabase, segmentPath } from "./buffer-folder.ts";
import type { IdleInstances } from "./idle-instances.ts";
import { fitsParquet, ParquetSlices } from "./parquet-slices.ts";
import type { ParquetSlots } from "./parquet-slots.ts";
import type { RowLayout } from "./row-layout.ts";
import type { SegmentState } from "./segment.ts";
import { SEGMENT, SegmentFile, type TokenRow } from "./segment-file.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { OPS, type Op, type ParquetFile } from "./types.ts";
import { unitError } from "./unit-error.ts";
import type { WriteUnit } from "./write-unit.ts";

/** A stream of less becomes rows of its segment, which a flush brings to the lake together with those of other segments. */
export interface ParquetChoice {
  readonly fromBytes: number;
  /** Of the instance, once there are files. */
  readonly memoryMb: number;
  readonly slots: ParquetSlots;
}

export interface StagedFileSettings {
  readonly instances: IdleInstances;
  readonly memoryMb: number;
  /** Undefined: the lake cannot take files as they are. */
  readonly parquet: ParquetChoice | undefined;
  readonly failpoints: Failpoints;
}

/** Two slices, and what writing one takes, are in memory at a time. */
const SLICES_OF_MEMORY = 4;

/**
 * A staged stream's own segment file. Its tables, rows, `meta` and token are ONE transaction: before its COMMIT a crash
 * leaves a file without `meta`, which recovery deletes. The rows of a large stream may be in Parquet files beside it, which
 * are durable before that COMMIT.
 */
export class StagedFile {
  #layout: RowLayout;
  #path: string;
  readonly #memoryMb: number;
  readonly #settings: StagedFileSettings;
  #file: SegmentFile | undefined;
  #writer: SegmentWriter | undefined;
  /** While the rows go, or may still go, to Parquet files. */
  #slices: ParquetSlices | undefined;
  #hasSlot = false;
  #parquet: readonly ParquetFile[] = [];
  #rows = 0;
  #bytes = 0;
  #isHandedOver = false;

  private constructor(folder: string, layout: RowLayout, settings: StagedFileSettings) {
    this.#layout = layout;
    this.#path = segmentPath(folder, newId());
    this.#settings = settings;
    const leastMb = Math.max(layout.memoryMb(layout.blockBytes()), this.#parquetChoice ? emptySliceMb(layout) : 0);
    this.#memoryMb = Math.max(settings.memoryMb, leastMb);
  }

  static async create(folder: string, layout: RowLayout, settings: StagedFileSettings): Promise<StagedFile> {
    const staged = new StagedFile(folder, layout, settings);
    try {
      const file = await staged.#open();
      await file.connection.run("BEGIN");
      await file.createTables(layout);
      staged.#writer = new SegmentWriter(file.connection);
      const parquet = staged.#parquetChoice;
      if (parquet) staged.#slices = await staged.#openSlices(file, parquet);
      return staged;
    } catch (error) {
      await staged.discard();
      throw unitError(error);
    }
  }

  get layout(): RowLayout {
    return this.#layout;
  }

  get path(): string {
    return this.#path;
  }

  get rows(): number {
    return this.#rows;
  }

  get diskBytes(): number {
    if (this.#isHandedOver) return 0;
    return diskBytesOf(this.#path) + (this.#slices?.diskBytes ?? 0) + bytesOf(this.#parquet);
  }

  stateFrom(firstSeq: number, op: Op, tokens: number): SegmentState {
    const [rows, bytes, hasNonInserts] = [this.#rows, this.#bytes, op !== "insert"];
    return { firstSeq, rows, bytes, tokens, openedMs: Date.now(), hasNonInserts, parquet: this.#parquet };
  }

  /** After an error the file can only be discarded. */
  async write(unit: WriteUnit): Promise<void> {
    try {
      if (this.#slices && !(await this.#mayHold(this.#slices, unit))) await this.#moveToFile(this.#slices);
      await (this.#slices ? this.#slices.write(unit) : this.#writer?.write([unit]));
      this.#rows += unit.rows;
      this.#bytes += unit.bytes;
    } catch (error) {
      throw unitError(error);
    }
  }

  /** To be called after the last row: all rows are where they stay. After an error the file can only be discarded. */
  async settle(): Promise<void> {
    const slices = this.#slices;
    if (!slices) return;
    try {
      if (!slices.hasFiles) return await this.#moveToFile(slices);
      this.#parquet = await slices.finish();
      await this.#mustFile().insertParquet(this.#parquet);
      await this.#closeSlices();
    } catch (error) {
      throw unitError(error);
    }
  }

  /** The table may have been changed, or made, since the stream began. Throws when the rows do not fit it. */
  async fitTo(layout: RowLayout): Promise<void> {
    const table = targetName(layout.target);
    if (!layout.sameKeyAs(this.layout)) {
      throw new EiderError(
        "schema_mismatch",
        `the primary key of ${table} changed while rows were ingested; ingest them again`,
      );
    }
    BatchPlan.matchColumns(this.layout.columns, layout);
    this.#writer?.flush();
    for (const column of layout.columns.filter((each) => !each.nullable)) {
      const own = columnNamed(this.layout.columns, column.name);
      if (own && (!own.nullable || (await this.#mustFile().countNulls(own.name)) === 0)) continue;
      throw new EiderError(
        "constraint_violated",
        `column "${column.name}" of table ${table} is NOT NULL, but rows of the stream have no value for it; nothing was stored`,
      );
    }
    this.#layout = this.#layout.withIdsOf(layout);
  }

  /** Durable as a segment of the buffer when this resolves; from here on the buffer's SealQueue owns the file. */
  async commit(firstSeq: number, op: Op, token: TokenRow | undefined): Promise<void> {
    this.#isHandedOver = true;
    try {
      const file = this.#mustFile();
      this.#settings.failpoints.hit("stage.before_publish");
      this.#writer?.flush();
      await this.#setOp(file, op);
      if (token) this.#writer?.writeToken(token);
      this.#writer?.flush();
      await file.insertMeta(this.layout, firstSeq, Date.now());
      await file.connection.run("COMMIT");
      this.#settings.failpoints.hit("stage.after_publish");
    } catch (error) {
      const isDurable = isDurableAnyway(error) || (isFatal(error) && (await this.#wasCommitted()));
      if (!isDurable) throw unitError(error);
    }
    await markUsed(this.#path);
  }

  /** Checkpoints and closes the committed file; a checkpoint that fails is the SealQueue's to repeat. */
  async close(): Promise<void> {
    this.#writer?.close();
    this.#writer = undefined;
    try {
      await this.#file?.checkpoint();
      await this.#file?.detach();
      this.#file = undefined;
    } catch {
      // The WAL stays, and tells the segment to try again.
    }
    await this.#release();
  }

  /** Closes the file as a plain table `rows` of the layout's columns, in `folder`. */
  async toFile(folder: string): Promise<string> {
    try {
      const file = this.#mustFile();
      this.#writer?.flush();
      await file.connection.run("COMMIT");
      this.#writer?.close();
      this.#writer = undefined;
      if (this.layout.opColumn !== undefined) {
        await file.connection.run(
          `ALTER TABLE ${SEGMENT}.main.rows DROP COLUMN ${quoteIdentifier(this.layout.opColumn)}`,
        );
      }
      await file.checkpoint();
      await this.#release();
    } catch (error) {
      throw unitError(error);
    }
    const moved = join(folder, basename(this.#path));
    if (moved !== this.#path) {
      await rename(this.#path, moved);
      await syncPath(dirname(this.#path));
    }
    this.#path = moved;
    return moved;
  }

  /** Nothing happens after commit(): the file is the buffer's. */
  async discard(): Promise<void> {
    if (this.#isHandedOver) return;
    await this.#release();
    await removeDatabase(this.#path);
  }

  /** Undefined, too, where two slices would not fit into the memory: the segment's own file takes less. */
  get #parquetChoice(): ParquetChoice | undefined {
    const { parquet } = this.#settings;
    if (!parquet || !fitsParquet(this.#layout)) return undefined;
    return parquet.fromBytes <= greatestSliceBytes(this.#layout, parquet.memoryMb) ? parquet : undefined;
  }

  #openSlices(file: SegmentFile, { fromBytes, memoryMb }: ParquetChoice): Promise<ParquetSlices> {
    const greatestBytes = greatestSliceBytes(this.#layout, memoryMb);
    const folder = parquetFolderOf(this.#path);
    const settings = { firstBytes: fromBytes, greatestBytes, failpoints: this.#settings.failpoints };
    return ParquetSlices.open(file.database, this.#layout, folder, settings);
  }

  /** The first slice of every stream may wait in memory, those of a few may go to files. */
  async #mayHold(slices: ParquetSlices, unit: WriteUnit): Promise<boolean> {
    const { parquet } = this.#settings;
    if (this.#hasSlot || !slices.fillsSlice(unit)) return true;
    if (!parquet?.slots.take()) return false;
    this.#hasSlot = true;
    await this.#mustFile().setMemory(Math.max(this.#memoryMb, parquet.memoryMb));
    return true;
  }

  async #moveToFile(slices: ParquetSlices): Promise<void> {
    await slices.moveTo(this.#mustFile().connection);
    await this.#closeSlices();
  }

  async #closeSlices(): Promise<void> {
    const slices = this.#slices;
    this.#slices = undefined;
    await slices?.close();
    if (this.#hasSlot) this.#settings.parquet?.slots.giveBack();
    this.#hasSlot = false;
  }

  /** Rows were written with the default op of their table. */
  async #setOp(file: SegmentFile, op: Op): Promise<void> {
    if (this.layout.opColumn === undefined || op === "upsert") return;
    await file.connection.run(
      `UPDATE ${SEGMENT}.main.rows SET ${quoteIdentifier(this.layout.opColumn)} = ${OPS.indexOf(op)}`,
    );
  }

  async #wasCommitted(): Promise<boolean> {
    await this.#release();
    const file = await this.#open();
    return (await file.readMeta()) !== undefined;
  }

  async #open(): Promise<SegmentFile> {
    const { instances } = this.#settings;
    const options = { memoryMb: this.#memoryMb, blockBytes: this.layout.blockBytes(), instances };
    this.#file = await SegmentFile.open(this.#path, options);
    return this.#file;
  }

  #mustFile(): SegmentFile {
    if (!this.#file) throw new EiderError("internal", "the staged file was closed");
    return this.#file;
  }

  async #release(): Promise<void> {
    await this.#closeSlices();
    this.#writer?.close();
    this.#writer = undefined;
    const file = this.#file;
    this.#file = undefined;
    await file?.[Symbol.asyncDispose]();
  }
}

/** What the columns of a table in memory take: its blocks are DuckDB's large ones however many there are. */
function emptySliceMb(layout: RowLayout): number {
  return layout.memoryMb(undefined);
}

function greatestSliceBytes(layout: RowLayout, memoryMb: number): number {
  return Math.min(memoryMb / SLICES_OF_MEMORY, memoryMb / 2 - emptySliceMb(layout)) * 1024 * 1024;
}

function bytesOf(files: readonly ParquetFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
