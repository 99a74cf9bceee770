import { rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { must } from "../base/assert.ts";
import { syncPath } from "../base/sync-path.ts";
import { columnNamed } from "../base/table.ts";
import { targetName } from "../base/target.ts";
import { isDurableAnyway, isFatal } from "../duck/errors.ts";
import { quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { BatchPlan } from "./batch-plan.ts";
import { diskBytesOf, markUsed, newId, removeDatabase, segmentPath } from "./buffer-folder.ts";
import type { IdleInstances } from "./idle-instances.ts";
import type { RowLayout } from "./row-layout.ts";
import type { SegmentState } from "./segment.ts";
import { SEGMENT, SegmentFile, type TokenRow } from "./segment-file.ts";
import { leastMemoryMb, StagedRows, type StagedRowsSettings } from "./staged-rows.ts";
import { OPS, type Op } from "./types.ts";
import { unitError } from "./unit-error.ts";
import type { WriteUnit } from "./write-unit.ts";

export interface StagedFileSettings extends StagedRowsSettings {
  readonly instances: IdleInstances;
}

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
  #staged: StagedRows | undefined;
  #rows = 0;
  #bytes = 0;
  #isHandedOver = false;

  private constructor(folder: string, layout: RowLayout, settings: StagedFileSettings) {
    this.#layout = layout;
    this.#path = segmentPath(folder, newId());
    this.#settings = settings;
    this.#memoryMb = Math.max(settings.memoryMb, leastMemoryMb(layout, settings.parquet));
  }

  static async create(folder: string, layout: RowLayout, settings: StagedFileSettings): Promise<StagedFile> {
    const staged = new StagedFile(folder, layout, settings);
    try {
      const file = await staged.#open();
      await file.connection.run("BEGIN");
      await file.createTables(layout);
      staged.#staged = await StagedRows.begin(file, layout, { ...settings, memoryMb: staged.#memoryMb });
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
    return diskBytesOf(this.#path) + (this.#staged?.diskBytes ?? 0);
  }

  stateFrom(firstSeq: number, op: Op, tokens: number): SegmentState {
    const [rows, bytes, hasNonInserts] = [this.#rows, this.#bytes, op !== "insert"];
    const parquet = this.#staged?.parquet ?? [];
    return { firstSeq, rows, bytes, tokens, openedMs: Date.now(), hasNonInserts, parquet };
  }

  /** After an error the file can only be discarded. */
  async write(unit: WriteUnit): Promise<void> {
    try {
      await this.#mustStaged().write(unit);
      this.#rows += unit.rows;
      this.#bytes += unit.bytes;
    } catch (error) {
      throw unitError(error);
    }
  }

  /** To be called after the last row: all rows are where they stay. After an error the file can only be discarded. */
  async settle(): Promise<void> {
    try {
      await this.#mustStaged().settle();
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
      await this.#setOp(file, op);
      if (token) this.#mustStaged().writeToken(token);
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
    await this.#staged?.close();
    this.#staged = undefined;
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
      await this.#mustStaged().settle();
      await file.connection.run("COMMIT");
      await this.#staged?.close();
      this.#staged = undefined;
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

  #mustStaged(): StagedRows {
    return must(this.#staged, "its file is open");
  }

  #mustFile(): SegmentFile {
    if (!this.#file) throw new EiderError("internal", "the staged file was closed");
    return this.#file;
  }

  async #release(): Promise<void> {
    await this.#staged?.close();
    this.#staged = undefined;
    const file = this.#file;
    this.#file = undefined;
    await file?.[Symbol.asyncDispose]();
  }
}
