import { assert } from "../base/assert.ts";
import type { Failpoints } from "../base/failpoints.ts";
import { parquetFolderOf } from "./buffer-folder.ts";
import { fitsParquet, ParquetSlices } from "./parquet-slices.ts";
import type { ParquetSlots } from "./parquet-slots.ts";
import type { RowLayout } from "./row-layout.ts";
import type { SegmentFile, TokenRow } from "./segment-file.ts";
import { parquetBytesOf } from "./segment-rows.ts";
import { SegmentWriter } from "./segment-writer.ts";
import type { ParquetFile } from "./types.ts";
import type { WriteUnit } from "./write-unit.ts";

/** A stream of less becomes rows of its segment, which a flush brings to the lake together with those of other segments. */
export interface ParquetChoice {
  readonly fromBytes: number;
  /** Of the instance, once there are files. */
  readonly memoryMb: number;
  readonly slots: ParquetSlots;
}

export interface StagedRowsSettings {
  /** Of the instance at first. */
  readonly memoryMb: number;
  /** Undefined: the lake cannot take files as they are. */
  readonly parquet: ParquetChoice | undefined;
  readonly failpoints: Failpoints;
}

/** Two slices, and what writing one takes, are in memory at a time. */
const SLICES_OF_MEMORY = 4;

/** What an instance needs at least for rows of the layout, in MB. */
export function leastMemoryMb(layout: RowLayout, parquet: ParquetChoice | undefined): number {
  const fileMb = layout.memoryMb(layout.blockBytes());
  return choiceFor(layout, parquet) ? Math.max(fileMb, emptySliceMb(layout)) : fileMb;
}

/**
 * Where the rows of a staged stream go: to slices in memory at first, when the lake may take files; once a slice is full to
 * Parquet files, or, as the others of small streams, to the table of the stream's segment.
 */
export class StagedRows {
  readonly #file: SegmentFile;
  readonly #settings: StagedRowsSettings;
  readonly #writer: SegmentWriter;
  /** While the rows go, or may still go, to Parquet files. */
  #slices: ParquetSlices | undefined;
  #hasSlot = false;
  #isSettled = false;
  #parquet: readonly ParquetFile[] = [];

  private constructor(file: SegmentFile, settings: StagedRowsSettings) {
    this.#file = file;
    this.#settings = settings;
    this.#writer = new SegmentWriter(file.connection);
  }

  /** The file has its tables, in the transaction that is open on its connection. */
  static async begin(file: SegmentFile, layout: RowLayout, settings: StagedRowsSettings): Promise<StagedRows> {
    const rows = new StagedRows(file, settings);
    const parquet = choiceFor(layout, settings.parquet);
    if (parquet) {
      rows.#slices = await ParquetSlices.open(file.database, layout, parquetFolderOf(file.path), {
        firstBytes: parquet.fromBytes,
        greatestBytes: greatestSliceBytes(layout, parquet.memoryMb),
        failpoints: settings.failpoints,
      });
    }
    return rows;
  }

  /** Where the rows are once they are settled; none: in the segment's table. */
  get parquet(): readonly ParquetFile[] {
    return this.#parquet;
  }

  /** Beside the segment's file. */
  get diskBytes(): number {
    return parquetBytesOf(this.#parquet) + (this.#slices?.diskBytes ?? 0);
  }

  async write(unit: WriteUnit): Promise<void> {
    assert(!this.#isSettled, "rows that came after the last one would not be counted");
    if (this.#slices && !(await this.#mayHold(this.#slices, unit))) await this.#moveToTable(this.#slices);
    await (this.#slices ? this.#slices.write(unit) : this.#writer.write([unit]));
  }

  /** After the last row: all are where they stay, in the transaction or in durable files. */
  async settle(): Promise<void> {
    this.#isSettled = true;
    const slices = this.#slices;
    if (slices?.hasFiles) {
      this.#parquet = await slices.finish();
      await this.#file.insertParquet(this.#parquet);
      await this.#closeSlices();
    } else if (slices) {
      await this.#moveToTable(slices);
    }
    this.#writer.flush();
  }

  writeToken(token: TokenRow): void {
    this.#writer.writeToken(token);
    this.#writer.flush();
  }

  /** Waits for what runs; drops what is not settled. */
  async close(): Promise<void> {
    await this.#closeSlices();
    this.#writer.close();
  }

  /** The first slice of every stream may wait in memory, those of a few may go to files. */
  async #mayHold(slices: ParquetSlices, unit: WriteUnit): Promise<boolean> {
    const { parquet, memoryMb } = this.#settings;
    if (this.#hasSlot || !slices.fillsSlice(unit)) return true;
    if (!parquet?.slots.take()) return false;
    this.#hasSlot = true;
    await this.#file.setMemory(Math.max(memoryMb, parquet.memoryMb));
    return true;
  }

  async #moveToTable(slices: ParquetSlices): Promise<void> {
    await slices.moveTo(this.#file.connection);
    await this.#closeSlices();
  }

  async #closeSlices(): Promise<void> {
    const slices = this.#slices;
    this.#slices = undefined;
    await slices?.close();
    if (this.#hasSlot) this.#settings.parquet?.slots.giveBack();
    this.#hasSlot = false;
  }
}

/** Undefined, too, where two slices would not fit into the memory: the segment's own file takes less. */
function choiceFor(layout: RowLayout, parquet: ParquetChoice | undefined): ParquetChoice | undefined {
  if (!parquet || !fitsParquet(layout)) return undefined;
  return parquet.fromBytes <= greatestSliceBytes(layout, parquet.memoryMb) ? parquet : undefined;
}

/** What the columns of a table in memory take: its blocks are DuckDB's large ones however many there are. */
function emptySliceMb(layout: RowLayout): number {
  return layout.memoryMb(undefined);
}

function greatestSliceBytes(layout: RowLayout, memoryMb: number): number {
  return Math.min(memoryMb / SLICES_OF_MEMORY, memoryMb / 2 - emptySliceMb(layout)) * 1024 * 1024;
}
