import { rm } from "node:fs/promises";
import type { TableShape } from "../../../src/base/table.ts";
import { type Target, targetKey } from "../../../src/base/target.ts";
import type { BufferView, Compaction, SealedSegment, SealReason } from "../../../src/buffer/types.ts";
import type { Clock } from "../../../src/flush/clock.ts";
import type { FlushObserver, FlushRecord } from "../../../src/flush/observer.ts";
import type { FlushBuffers } from "../../../src/flush/types.ts";
import { column, type LakeFixture } from "../lake/lake-fixture.ts";

export const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];

interface Table {
  readonly target: Target;
  readonly primaryKey: readonly string[];
  open: Array<readonly [number, string]>;
  openSinceMs: number | undefined;
  sealed: SealedSegment[];
  nextSeq: number;
}

/** Buffers whose segments are real files, written in one go when sealed. */
export class FileBuffers implements FlushBuffers {
  readonly #fixture: LakeFixture;
  readonly #clock: Clock;
  readonly #tables = new Map<string, Table>();
  compacting = 0;
  mostCompacting = 0;
  readonly removed: string[] = [];
  /** Ids of segments that cannot be read. */
  readonly damaged = new Set<string>();
  /** Called before each compaction and removal, to delay or fail them. */
  onCompact: (segments: readonly SealedSegment[]) => Promise<void> | void = () => {};
  onRemove: (segments: readonly SealedSegment[]) => void = () => {};

  constructor(fixture: LakeFixture, clock: Clock) {
    this.#fixture = fixture;
    this.#clock = clock;
  }

  async ensureBuffer(shape: TableShape, watermark: number): Promise<void> {
    const { target, primaryKey } = shape;
    const made: Table = { target, primaryKey, open: [], openSinceMs: undefined, sealed: [], nextSeq: watermark + 1 };
    this.#tables.set(targetKey(target), this.#tables.get(targetKey(target)) ?? made);
  }

  append(target: Target, ...rows: ReadonlyArray<readonly [number, string]>): void {
    const table = this.#table(target);
    table.open.push(...rows);
    table.openSinceMs ??= this.#clock.nowMs();
  }

  hasBuffer(target: Target): boolean {
    return this.#tables.has(targetKey(target));
  }

  async seal(target: Target, reason: SealReason): Promise<SealedSegment | undefined> {
    const table = this.#table(target);
    const rows = table.open.splice(0);
    const oldestMs = table.openSinceMs ?? this.#clock.nowMs();
    table.openSinceMs = undefined;
    if (rows.length === 0) return undefined;
    const { primaryKey } = table;
    const firstSeq = table.nextSeq;
    table.nextSeq += rows.length;
    const op = primaryKey.length > 0 ? ", 1" : "";
    const select = `VALUES ${rows.map(([id, v]) => `(${id}, '${v}'${op})`).join(", ")}`;
    const segment = await this.#fixture.segment({ target, columns: COLUMNS, primaryKey, firstSeq, select });
    const sealed = { ...segment, oldestMs, reason };
    table.sealed.push(sealed);
    return sealed;
  }

  /** Takes segments that exist already, as those found at start. */
  adopt(segments: readonly SealedSegment[]): void {
    for (const segment of segments) this.#table(segment.target).sealed.push(segment);
  }

  sealed(target: Target): readonly SealedSegment[] {
    return this.#tables.get(targetKey(target))?.sealed ?? [];
  }

  async compact(segments: readonly SealedSegment[]): Promise<Compaction> {
    this.compacting++;
    this.mostCompacting = Math.max(this.mostCompacting, this.compacting);
    try {
      await this.onCompact(segments);
      return await this.#fixture.compact(segments);
    } finally {
      this.compacting--;
    }
  }

  async remove(segments: readonly SealedSegment[], compaction: Compaction | undefined): Promise<void> {
    this.onRemove(segments);
    for (const { target, id, path } of segments) {
      const table = this.#table(target);
      table.sealed = table.sealed.filter((segment) => segment.id !== id);
      this.removed.push(id);
      await rm(path, { force: true });
    }
    if (compaction?.path) await rm(compaction.path, { force: true });
  }

  async setDamagedAside(segments: readonly SealedSegment[]): Promise<number> {
    const damaged = segments.filter(({ id }) => this.damaged.has(id));
    await this.remove(damaged, undefined);
    return damaged.reduce((sum, { rows }) => sum + rows, 0);
  }

  async clearBuffer(target: Target): Promise<void> {
    const table = this.#table(target);
    table.open = [];
    await this.remove(table.sealed, undefined);
  }

  views(): readonly BufferView[] {
    return [...this.#tables.values()].map(({ target, open, openSinceMs, sealed, nextSeq }) => ({
      target,
      openRows: open.length,
      openBytes: open.length * 16,
      openSinceMs,
      sealedSegments: sealed.length,
      sealedRows: sealed.reduce((sum, segment) => sum + segment.rows, 0),
      sealedBytes: 0,
      oldestMs: openSinceMs,
      diskBytes: 0,
      lastSeq: nextSeq - 1,
    }));
  }

  #table(target: Target): Table {
    const table = this.#tables.get(targetKey(target));
    if (!table) throw new Error(`no buffer for ${target.table}`);
    return table;
  }
}

/** Time that stands still until `advance`. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #timers: Array<{ readonly atMs: number; readonly callback: () => void }> = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timers(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.#nowMs);
    for (const timer of due) timer.callback();
  }
}

export class RecordingObserver implements FlushObserver {
  readonly records: FlushRecord[] = [];
  readonly failures: string[] = [];
  readonly recoveries: Record<string, number> = {};
  doubts = 0;

  flushed(record: FlushRecord): void {
    this.records.push(record);
  }
  failed(target: Target, reason: SealReason): void {
    this.failures.push(`${target.table}:${reason}`);
  }
  inDoubt(): void {
    this.doubts++;
  }
  recovered(outcome: "released" | "replayed", count: number): void {
    this.recoveries[outcome] = (this.recoveries[outcome] ?? 0) + count;
  }
}

/** A promise that the test opens by hand. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
