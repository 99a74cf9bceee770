import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { decodeSchema } from "../arrow/schema.ts";
import { assert, must } from "../base/assert.ts";
import type { FailpointSpec } from "../base/failpoints.ts";
import { RecentMap } from "../base/recent-map.ts";
import { syncPath } from "../base/sync-path.ts";
import type { TableShape } from "../base/table.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import { makeFolder } from "../duck/make-folder.ts";
import { EiderError } from "../errors.ts";
import { Admission } from "./admission.ts";
import { BatchPlan } from "./batch-plan.ts";
import { folderName, QUARANTINE, removeDatabase, STAGING, workerOf } from "./buffer-folder.ts";
import { BufferMirror } from "./buffer-mirror.ts";
import { type Log, SILENT } from "./log.ts";
import type { QuarantinedSegment } from "./quarantine.ts";
import { RowLayout } from "./row-layout.ts";
import { BufferAppendStream, BufferStageStream, type StreamHost, type StreamOwner } from "./streams.ts";
import type { AppendStream, Buffers, BufferView, Compaction, SealedSegment, SealReason, StageStream } from "./types.ts";
import { WorkerSlot } from "./worker-slot.ts";

export interface BufferStoreOptions {
  readonly bufferDir: string;
  /** Threads; at least 1. */
  readonly workers: number;
  readonly bufferMemoryMb: number;
  readonly flushMemoryMb: number;
  /** Segments at a time that are sealed with `flushMemoryMb`, as well. */
  readonly maxParallelFlushes: number;
  readonly bufferMaxRows: number;
  readonly bufferMaxBytes: number;
  readonly diskLimitBytes: number;
  /** How long an append waits for room on disk before it is refused. */
  readonly fullWaitSeconds: number;
  readonly stageMemoryBytes: number;
  /** Whether the lake may take Parquet files of `bufferDir` as they are. */
  readonly lakeTakesFiles: boolean;
  readonly tokenRetentionSeconds: number;
  readonly failpoints: FailpointSpec;
  /** Bytes on their way to one worker. Default 64 MiB. */
  readonly maxInFlightBytes?: number;
  /** Hears of every segment sealed after open(), whoever asked for it, in order per target. */
  onSealed(segment: SealedSegment): void;
  readonly log?: Log;
}

/**
 * A staged stream of as many times `stageMemoryBytes` goes to Parquet files: a smaller one would become a small file of its own,
 * where a flush makes one of all that wait.
 */
const PARQUET_FACTOR = 4;

const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024;

/** All buffers of the process: the main thread's side. The work is done in worker threads, a target always in the same one. */
export class BufferStore implements Buffers, AsyncDisposable {
  readonly #options: BufferStoreOptions;
  readonly #log: Log;
  readonly #admission: Admission;
  readonly #mirrors = new Map<string, BufferMirror>();
  readonly #slots: WorkerSlot[] = [];
  /** Worker of a target, by its key. */
  readonly #indexes = new RecentMap<string, number>(4096);
  readonly #recovered: SealedSegment[] = [];
  readonly #quarantined: QuarantinedSegment[] = [];
  /** Highest seq of targets whose buffer was cleared: the same process must not give a seq twice. */
  readonly #clearedSeqs = new Map<string, number>();
  #isOpen = false;
  #nextId = 1;
  #closing: Promise<void> | undefined;

  private constructor(options: BufferStoreOptions) {
    this.#options = options;
    this.#log = options.log ?? SILENT;
    this.#admission = new Admission({
      diskLimitBytes: options.diskLimitBytes,
      fullWaitSeconds: options.fullWaitSeconds,
      maxInFlightBytes: options.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES,
    });
  }

  /** Starts the workers, which recover what is on disk. Rejects when a file cannot be read for a reason of the machine's. */
  static async open(options: BufferStoreOptions): Promise<BufferStore> {
    assert(options.workers >= 1, "a buffer store has at least one worker");
    const store = new BufferStore(options);
    await makeFolder(options.bufferDir, "buffer_dir");
    await rm(join(options.bufferDir, STAGING), { recursive: true, force: true });
    for (const folder of [STAGING, QUARANTINE]) await mkdir(join(options.bufferDir, folder), { recursive: true });
    await syncPath(dirname(options.bufferDir));
    try {
      for (let index = 0; index < options.workers; index += 1) store.#slots.push(store.#makeSlot(index));
      for (const slot of store.#slots) await slot.start();
    } catch (error) {
      await Promise.all(store.#slots.map((slot) => slot.terminate()));
      throw error;
    }
    store.#isOpen = true;
    store.#recovered.sort((a, b) => a.firstSeq - b.firstSeq);
    if (store.#recovered.length > 0) {
      const rows = store.#recovered.reduce((sum, segment) => sum + segment.rows, 0);
      store.#log.info({ segments: store.#recovered.length, rows }, "recovered segments of an earlier run");
    }
    return store;
  }

  /** Segments found at open, in order of their seqs. */
  get recovered(): readonly SealedSegment[] {
    return this.#recovered;
  }

  /** Damaged segments that were set aside since open. */
  get quarantined(): readonly QuarantinedSegment[] {
    return this.#quarantined;
  }

  /** Back-pressure: appends that wait now, those that had to wait since open, and for how long in all. */
  get backPressure(): Admission["counters"] {
    return this.#admission.counters;
  }

  async ensureBuffer(shape: TableShape, watermark: number): Promise<void> {
    this.#requireOpen();
    const mirror = this.#mirror(shape.target);
    const layout = RowLayout.of(shape);
    if (mirror.layout?.sameAs(layout)) return;
    mirror.noteSeq(Math.max(watermark, this.#clearedSeqs.get(mirror.key) ?? 0));
    await this.#slot(shape.target).link.call("ensure", { shape, watermark: mirror.watermark });
    mirror.layout = layout;
  }

  hasBuffer(target: Target): boolean {
    return this.shapeOf(target) !== undefined;
  }

  shapeOf(target: Target): TableShape | undefined {
    return this.#mirrors.get(targetKey(target))?.layout;
  }

  async appendToBuffer(target: Target, schema: Uint8Array, session: string): Promise<AppendStream> {
    this.#requireOpen();
    assert(this.hasBuffer(target), `ensureBuffer was called for ${targetName(target)}`);
    checkFits(schema, this.#mirror(target).layout);
    const opening = { target, schema: new Uint8Array(schema) };
    return new BufferAppendStream(this.#nextId++, opening, this.#owner(target, session), this.#host(target));
  }

  async stage(
    target: Target | undefined,
    shape: TableShape | undefined,
    schema: Uint8Array,
    session: string,
  ): Promise<StageStream> {
    this.#requireOpen();
    const id = this.#nextId++;
    // Without a target any worker will do.
    const host = target ? this.#host(target) : this.#hostOf(must(this.#slots[id % this.#slots.length], "a worker"));
    checkFits(schema, shape && RowLayout.of(shape));
    const opening = { target, shape, schema: new Uint8Array(schema) };
    const { stageMemoryBytes } = this.#options;
    return new BufferStageStream(id, opening, stageMemoryBytes, this.#owner(target, session), host);
  }

  async seal(target: Target, reason: SealReason): Promise<SealedSegment | undefined> {
    const mirror = this.#mirrors.get(targetKey(target));
    if (!mirror) return undefined;
    const id = await this.#slot(target).link.call("seal", { target, reason });
    return mirror.sealed.find((segment) => segment.id === id);
  }

  sealed(target: Target): readonly SealedSegment[] {
    return [...(this.#mirrors.get(targetKey(target))?.sealed ?? [])];
  }

  async compact(segments: readonly SealedSegment[]): Promise<Compaction> {
    const [first] = segments;
    if (!first) return { path: undefined, rowsIn: 0, rowsOut: 0 };
    return this.#slot(first.target).link.call("compact", { segments });
  }

  async remove(segments: readonly SealedSegment[], compaction: Compaction | undefined): Promise<void> {
    const [first] = segments;
    if (!first) {
      if (compaction?.path !== undefined) await removeDatabase(compaction.path);
      return;
    }
    const key = targetKey(first.target);
    assert(
      segments.every((segment) => targetKey(segment.target) === key),
      "segments of one target are removed together",
    );
    await this.#slot(first.target).link.call("remove", { segments, compaction });
    const mirror = this.#mirror(first.target);
    mirror.removeSealed(segments);
    this.#noteDisk(mirror);
  }

  async setDamagedAside(segments: readonly SealedSegment[], lasting: boolean): Promise<number> {
    const [first] = segments;
    return first ? this.#slot(first.target).link.call("setDamagedAside", { segments, lasting }) : 0;
  }

  /** Its tokens are forgotten too: the table that they were for is gone or empty. Streams that are open on it are refused. */
  async clearBuffer(target: Target): Promise<void> {
    const mirror = this.#mirrors.get(targetKey(target));
    if (!mirror) return;
    mirror.layout = undefined;
    await this.#slot(target).link.call("clear", { target });
    this.#clearedSeqs.set(mirror.key, mirror.watermark);
    this.#mirrors.delete(mirror.key);
    this.#admission.forget(mirror.key);
  }

  views(): readonly BufferView[] {
    const isThere = (mirror: BufferMirror) => mirror.layout !== undefined || mirror.diskBytes > 0;
    return [...this.#mirrors.values()].filter(isThere).map((mirror) => mirror.view);
  }

  hasRowsOf(target: Target, session: string): boolean {
    return this.#mirrors.get(targetKey(target))?.hasRowsOf(session) ?? false;
  }

  /** DuckDB's memory and temp bytes over all open segments. */
  async usage(): Promise<{ memoryBytes: number; tempBytes: number }> {
    const each = await Promise.all(this.#slots.map((slot) => slot.link.call("usage", {})));
    return {
      memoryBytes: each.reduce((sum, one) => sum + one.memoryBytes, 0),
      tempBytes: each.reduce((sum, one) => sum + one.tempBytes, 0),
    };
  }

  /** Finishes queued appends and closes the files as they are; seals nothing. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#admission.close(new EiderError("shutting_down", "the server is shutting down"));
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  #makeSlot(index: number): WorkerSlot {
    const { bufferDir, bufferMemoryMb, flushMemoryMb, maxParallelFlushes, bufferMaxRows, bufferMaxBytes } =
      this.#options;
    const { workers, tokenRetentionSeconds, failpoints, lakeTakesFiles, stageMemoryBytes } = this.#options;
    const parquetFromBytes = lakeTakesFiles ? PARQUET_FACTOR * Math.max(1, stageMemoryBytes) : undefined;
    const mine = () => [...this.#mirrors.values()].filter((mirror) => this.#indexOf(mirror.target) === index);
    return new WorkerSlot({
      log: this.#log,
      settings: () => ({
        ...{ bufferDir, index, workers, bufferMemoryMb, flushMemoryMb, maxParallelFlushes },
        ...{ bufferMaxRows, bufferMaxBytes, parquetFromBytes },
        ...{ tokenRetentionSeconds, failpoints },
        known: mine().flatMap((mirror) => mirror.sealed.map((segment) => segment.id)),
      }),
      ensured: () =>
        mine().flatMap((mirror) => (mirror.layout ? [{ shape: mirror.layout, watermark: mirror.watermark }] : [])),
      onUpdate: (update) => {
        for (const numbers of update.numbers) this.#mirror(numbers.target).update(numbers);
        for (const segment of update.sealed) this.#addSealed(segment);
        for (const report of update.quarantined) this.#addQuarantined(report);
        for (const numbers of update.numbers) this.#noteDisk(this.#mirror(numbers.target));
        this.#admission.setStagedBytes(this.#slots.reduce((sum, slot) => sum + slot.stagedBytes, 0));
      },
    });
  }

  #addSealed(segment: SealedSegment): void {
    const mirror = this.#mirror(segment.target);
    if (!mirror.addSealed(segment)) return;
    this.#noteDisk(mirror);
    if (this.#isOpen) this.#options.onSealed(segment);
    else this.#recovered.push(segment);
  }

  #addQuarantined(report: QuarantinedSegment): void {
    this.#quarantined.push(report);
    for (const mirror of this.#mirrors.values()) if (mirror.dropSealed(report.path)) this.#noteDisk(mirror);
  }

  #noteDisk(mirror: BufferMirror): void {
    this.#admission.update(mirror.key, mirror.diskBytes, mirror.sealed.length > 0);
  }

  #mirror(target: Target): BufferMirror {
    const key = targetKey(target);
    const mirror = this.#mirrors.get(key) ?? new BufferMirror(target);
    this.#mirrors.set(key, mirror);
    return mirror;
  }

  #indexOf(target: Target): number {
    const key = targetKey(target);
    const index = this.#indexes.get(key) ?? workerOf(folderName(target), this.#options.workers);
    this.#indexes.set(key, index);
    return index;
  }

  #slot(target: Target): WorkerSlot {
    return must(this.#slots[this.#indexOf(target)], "every target has a worker");
  }

  #owner(target: Target | undefined, session: string): StreamOwner {
    if (!target) return { key: "", name: "a staged stream", acknowledged: () => {} };
    const key = targetKey(target);
    return { key, name: targetName(target), acknowledged: (seq) => this.#mirrors.get(key)?.acknowledged(session, seq) };
  }

  #host(target: Target): StreamHost {
    return this.#hostOf(this.#slot(target));
  }

  #hostOf(slot: WorkerSlot): StreamHost {
    return { link: slot.link, lane: slot.lane, admission: this.#admission };
  }

  #requireOpen(): void {
    if (this.#closing) throw new EiderError("shutting_down", "the server is shutting down");
  }
}

/** Refuses a stream at its schema message, before any row comes. Throws schema_mismatch, naming the column. */
function checkFits(schema: Uint8Array, layout: RowLayout | undefined): void {
  const decoded = decodeSchema(schema);
  if (layout) BatchPlan.match(decoded, layout, "null");
}
