import { existsSync } from "node:fs";
import { join } from "node:path";
import { must } from "../base/assert.ts";
import type { Failpoints } from "../base/failpoints.ts";
import { isDurableAnyway, isFatal } from "../duck/errors.ts";
import { EiderError, messageOf } from "../errors.ts";
import {
  diskBytesOf,
  markUsed,
  newId,
  removeDatabase,
  segmentIdOf,
  segmentPath,
  sizeOf,
  walPath,
} from "./buffer-folder.ts";
import type { IdleInstances } from "./idle-instances.ts";
import type { RowLayout } from "./row-layout.ts";
import { SegmentFile } from "./segment-file.ts";
import { SegmentMemory, type SegmentMemorySettings } from "./segment-memory.ts";
import { parquetBytesOf } from "./segment-rows.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { tokenNowMs } from "./token-clock.ts";
import type { ParquetFile, SealedSegment, SealReason } from "./types.ts";
import { unitError } from "./unit-error.ts";
import type { WriteUnit } from "./write-unit.ts";

export interface SegmentSettings extends SegmentMemorySettings {
  readonly instances: IdleInstances;
  readonly failpoints: Failpoints;
}

/** What is committed in a segment's file. */
export interface SegmentState {
  readonly firstSeq: number;
  readonly rows: number;
  readonly bytes: number;
  readonly tokens: number;
  readonly openedMs: number;
  readonly hasNonInserts: boolean;
  /** See `SealedSegment`. */
  readonly parquet: readonly ParquetFile[];
}

/** `stored` and `error` together: the rows are durable, but their writer is told of an error. */
export interface WriteOutcome {
  readonly stored?: { readonly seq: number; readonly atMs: number };
  readonly error?: EiderError;
}

const EMPTY: SegmentState = {
  ...{ firstSeq: 0, rows: 0, bytes: 0, tokens: 0, openedMs: 0, hasNonInserts: false },
  parquet: [],
};

/**
 * One segment: made empty, given its first seq, written by group commits, sealed once, or discarded.
 * Invariants: `state` counts only what a COMMIT has made durable; a row's seq is firstSeq + rowid; one call at a time.
 */
export class Segment {
  readonly id: string;
  readonly path: string;
  readonly layout: RowLayout;
  readonly #settings: SegmentSettings;
  readonly #memory: SegmentMemory;
  #file: SegmentFile | undefined;
  #writer: SegmentWriter | undefined;
  #state: SegmentState;
  #isInDoubt = false;

  constructor(path: string, layout: RowLayout, settings: SegmentSettings, state: SegmentState = EMPTY) {
    this.id = segmentIdOf(path);
    this.path = path;
    this.layout = layout;
    this.#settings = settings;
    this.#memory = new SegmentMemory(layout, settings);
    this.#state = state;
  }

  /** A new file with empty tables; its rows' seqs start at what `begin` says. */
  static async create(folder: string, layout: RowLayout, settings: SegmentSettings): Promise<Segment> {
    const segment = new Segment(segmentPath(folder, newId()), layout, settings);
    try {
      const file = await segment.#open();
      await file.connection.transaction(() => file.createTables(layout));
      return segment;
    } catch (error) {
      await segment.discard();
      throw error;
    }
  }

  /** Before its first write. */
  async begin(firstSeq: number): Promise<void> {
    await markUsed(this.path);
    this.#state = { ...EMPTY, firstSeq };
  }

  get state(): SegmentState {
    return this.#state;
  }

  /** The file could not be read again after its instance died: what the last group left is found when it is sealed. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  get diskBytes(): number {
    return diskBytesOf(this.path) + parquetBytesOf(this.#state.parquet);
  }

  /**
   * Writes the units in one transaction; when it fails, in halves, so that only a guilty one is refused. `inThread`: its
   * BEGIN and COMMIT block the worker.
   */
  async write(units: readonly WriteUnit[], inThread = false): Promise<WriteOutcome[]> {
    if (this.#isInDoubt) return this.#refuseLost(units, "rows before it are in doubt");
    let isCommitting = false;
    let isCommitted = false;
    const atMs = tokenNowMs();
    const openedMs = this.#state.openedMs || Date.now();
    try {
      await this.#writeInTransaction(units, openedMs, atMs, inThread);
      isCommitting = true;
      await this.#run("COMMIT", inThread);
      isCommitted = true;
      this.#settings.failpoints.hit("append.after_commit");
      return this.#accept(units, openedMs, atMs);
    } catch (error) {
      if (isDurableAnyway(error)) {
        // DuckDB may refuse the attached file from here on.
        await this.#release();
        return this.#accept(units, openedMs, atMs);
      }
      const refusal = unitError(error);
      const needsMore = refusal.code === "out_of_memory" && !this.#memory.isLarge;
      if (isCommitted && !isFatal(error))
        return this.#accept(units, openedMs, atMs).map(({ stored }) => ({ ...(stored && { stored }), error: refusal }));
      // DuckDB 1.5 takes a COMMIT that ran out of memory back incompletely: columns keep rows that the table does not have,
      // which ends the instance at its checkpoint. The file knows nothing of it.
      if (isFatal(error) || isCommitting) {
        if (needsMore) this.#memory.needMore();
        const isDurable = await this.#reopen(units);
        if (isDurable) return this.#accept(units, openedMs, atMs);
        if (isFatal(error) || this.#isInDoubt) return this.#refuseLost(units, error);
      } else await this.#rollback();
      if (units.length > 1) {
        const half = units.length >> 1;
        const first = await this.write(units.slice(0, half));
        return [...first, ...(await this.write(units.slice(half)))];
      }
      if (needsMore) {
        return this.#memory.whileLarge(
          () => this.#file,
          () => this.write(units),
        );
      }
      return units.map(() => ({ error: refusal }));
    }
  }

  /**
   * Checkpoints, detaches and closes the file. May be called again after an error: rows are durable in the WAL, and the
   * next call attaches the file anew.
   */
  async seal(reason: SealReason, recovered: boolean): Promise<SealedSegment> {
    if (this.#file !== undefined || this.#isInDoubt || existsSync(walPath(this.path))) {
      try {
        this.#closeWriter();
        // Also to read the WAL again: what one large batch took is in it.
        const file = this.#file ?? (await this.#open(true));
        if (this.#isInDoubt) await this.#recount(file);
        await this.#memory.grow(file);
        this.#settings.failpoints.hit("seal.before_checkpoint");
        await file.checkpoint();
        this.#settings.failpoints.hit("seal.after_checkpoint");
        this.#letGo();
        await file.detach();
      } finally {
        await this.#release();
      }
    }
    const { firstSeq, rows, bytes, hasNonInserts, openedMs, parquet } = this.#state;
    return {
      id: this.id,
      path: this.path,
      target: this.layout.target,
      tableId: this.layout.id,
      firstSeq,
      lastSeq: firstSeq + rows - 1,
      rows,
      bytes,
      fileBytes: sizeOf(this.path) + parquetBytesOf(parquet),
      parquet,
      columns: this.layout.columns,
      primaryKey: this.layout.primaryKey,
      hasNonInserts,
      oldestMs: openedMs,
      reason,
      recovered,
    };
  }

  /** Whether it holds more than its share, which has become smaller. */
  get exceedsShare(): boolean {
    return this.#memory.exceedsShare;
  }

  fitShare(): Promise<void> {
    return this.#memory.fitShare(this.#file);
  }

  async usage(): Promise<{ memoryBytes: number; tempBytes: number }> {
    return (await this.#file?.usage()) ?? { memoryBytes: 0, tempBytes: 0 };
  }

  /** Closes the file and leaves it for the next start. */
  async close(): Promise<void> {
    await this.#release();
  }

  async discard(): Promise<void> {
    await this.#release();
    await removeDatabase(this.path);
  }

  /** All but the COMMIT. */
  async #writeInTransaction(
    units: readonly WriteUnit[],
    openedMs: number,
    atMs: number,
    inThread: boolean,
  ): Promise<void> {
    const file = this.#file ?? (await this.#open());
    this.#writer ??= new SegmentWriter(file.connection);
    await this.#run("BEGIN", inThread);
    if (this.#state.openedMs === 0) await file.insertMeta(this.layout, this.#state.firstSeq, openedMs);
    await this.#writer.write(units);
    let seq = this.#state.firstSeq + this.#state.rows - 1;
    for (const unit of units) {
      seq += unit.rows;
      if (unit.token !== undefined) this.#writer.writeToken({ token: unit.token, rows: unit.rows, seq, atMs });
    }
    this.#writer.flush();
    this.#settings.failpoints.hit("append.before_commit");
  }

  async #run(sql: string, inThread: boolean): Promise<void> {
    const { connection } = must(this.#file, "a transaction has its file open");
    await (inThread ? connection.runInThread(sql) : connection.run(sql));
  }

  #accept(units: readonly WriteUnit[], openedMs: number, atMs: number): WriteOutcome[] {
    const state = this.#state;
    let seq = state.firstSeq + state.rows - 1;
    const outcomes = units.map((unit) => {
      seq += unit.rows;
      return { stored: { seq, atMs } };
    });
    this.#state = {
      firstSeq: state.firstSeq,
      rows: seq + 1 - state.firstSeq,
      bytes: units.reduce((sum, unit) => sum + unit.bytes, state.bytes),
      tokens: state.tokens + countTokens(units),
      openedMs,
      parquet: [],
      hasNonInserts: state.hasNonInserts || units.some((unit) => unit.op !== "insert" && unit.rows > 0),
    };
    return outcomes;
  }

  /** The instance is dead, or not to be trusted: its file tells whether the units were committed, or is in doubt. */
  async #reopen(units: readonly WriteUnit[]): Promise<boolean> {
    const rows = units.reduce((sum, unit) => sum + unit.rows, 0);
    try {
      await this.#release();
      const file = await this.#open(true);
      const moreRows = (await file.countRows()) - this.#state.rows;
      const moreTokens = (await file.countTokens()) - this.#state.tokens;
      await this.fitShare();
      if (moreRows === rows && moreTokens === countTokens(units)) return true;
      if (moreRows === 0 && moreTokens === 0) return false;
    } catch {
      // Told by what follows.
    }
    this.#isInDoubt = true;
    await this.#release();
    return false;
  }

  #refuseLost(units: readonly WriteUnit[], cause: unknown): WriteOutcome[] {
    const what = this.#isInDoubt ? "is in doubt" : "was not stored";
    const text = `the segment's DuckDB instance failed and the batch ${what}; send it again with the same token: ${messageOf(cause)}`;
    return units.map(() => ({ error: new EiderError("buffer_unavailable", text, { cause }) }));
  }

  async #recount(file: SegmentFile): Promise<void> {
    const meta = await file.readMeta();
    this.#state = {
      ...this.#state,
      rows: meta === undefined ? 0 : await file.countRows(),
      openedMs: meta?.openedMs ?? 0,
      hasNonInserts: await file.hasNonInserts(this.layout),
    };
    this.#isInDoubt = false;
  }

  async #open(isLarge?: boolean): Promise<SegmentFile> {
    const { instances } = this.#settings;
    const { blockBytes } = this.#memory;
    const open = (memoryMb: number) => SegmentFile.open(this.path, { memoryMb, blockBytes, instances });
    this.#file = await this.#memory.enter(open, isLarge);
    return this.#file;
  }

  #letGo(): SegmentFile | undefined {
    const file = this.#file;
    this.#file = undefined;
    if (file) this.#memory.leave();
    return file;
  }

  async #rollback(): Promise<void> {
    this.#closeWriter();
    await this.#file?.connection.rollback();
  }

  #closeWriter(): void {
    this.#writer?.close();
    this.#writer = undefined;
  }

  async #release(): Promise<void> {
    this.#closeWriter();
    await this.#letGo()?.[Symbol.asyncDispose]();
  }
}

function countTokens(units: readonly WriteUnit[]): number {
  return units.filter((unit) => unit.token !== undefined).length;
}

/** Names of the winners' files, which a restart throws away. */
export function compactionPath(folder: string): string {
  return join(folder, `compact-${newId()}.duckdb`);
}
