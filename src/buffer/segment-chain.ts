import { must } from "../base/assert.ts";
import type { BufferNumbers } from "./messages.ts";
import type { RowLayout } from "./row-layout.ts";
import type { SealJob, SealQueue } from "./seal-queue.ts";
import { Segment, type SegmentSettings } from "./segment.ts";
import type { SealReason } from "./types.ts";

export interface ChainSettings {
  readonly folder: string;
  readonly segment: SegmentSettings;
  readonly maxRows: number;
  readonly maxBytes: number;
}

/**
 * One target's segments: the open one, the next made ahead, those being sealed, and the seqs that they are given. The
 * owner calls one thing at a time. Invariant: seqs grow from segment to segment, and no seq is given twice.
 */
export class SegmentChain {
  readonly #settings: ChainSettings;
  readonly #seals: SealQueue;
  readonly #onChange: () => void;
  #layout: RowLayout | undefined;
  #lastSeq = 0;
  #open: Segment | undefined;
  /** Made while the open segment fills, so that no append waits for it. */
  #ahead: Promise<Segment | undefined> | undefined;

  constructor(settings: ChainSettings, seals: SealQueue, onChange: () => void) {
    this.#settings = settings;
    this.#seals = seals;
    this.#onChange = onChange;
  }

  get layout(): RowLayout | undefined {
    return this.#layout;
  }

  /** The highest seq that was given, or reserved. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get openRows(): number {
    return this.#open?.state.rows ?? 0;
  }

  get openBytes(): number {
    return this.#open?.state.bytes ?? 0;
  }

  /** See `Segment.exceedsShare`. */
  get exceedsShare(): boolean {
    return this.#open?.exceedsShare ?? false;
  }

  async fitShare(): Promise<void> {
    await this.#open?.fitShare();
  }

  /** Counts on from `seq` when it is higher. */
  noteSeq(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
  }

  /** Rows from here on are stored like this. */
  async setLayout(layout: RowLayout): Promise<void> {
    this.#layout = layout;
    await this.dropAhead();
    this.rotate("schema");
  }

  async open(): Promise<Segment> {
    if (this.#open) return this.#open;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const segment = (await ahead) ?? (await this.#create());
    try {
      await segment.begin(this.#lastSeq + 1);
      // It may have been made when there were fewer.
      await segment.fitShare();
    } catch (error) {
      await segment.discard();
      throw error;
    }
    this.#open = segment;
    return segment;
  }

  /** Before a write of that much to the open segment: one that it fills at least by half wants the next one made. */
  expect(rows: number, bytes: number): void {
    const { maxRows, maxBytes } = this.#settings;
    if ((this.openRows + rows) * 2 < maxRows && (this.openBytes + bytes) * 2 < maxBytes) return;
    // A failure shows when the segment is needed, as the error of the batches that need it.
    this.#ahead ??= this.#create().catch(() => undefined);
  }

  /** After a write of that many rows to the open segment: counts its seqs, and rotates it when it is full. */
  wrote(open: Segment, rows: number): void {
    const { maxRows, maxBytes } = this.#settings;
    const { state, isInDoubt } = open;
    // Seqs of rows in doubt are never given again.
    this.#lastSeq = state.firstSeq + state.rows - 1 + (isInDoubt ? rows : 0);
    if (isInDoubt) this.rotate("recovery");
    else if (state.rows >= maxRows) this.rotate("rows");
    else if (state.bytes >= maxBytes) this.rotate("bytes");
    this.#onChange();
  }

  /** The open segment takes no more rows; the next append opens another. */
  rotate(reason: SealReason): string | undefined {
    const segment = this.#open;
    this.#open = undefined;
    if (segment) this.push({ segment, reason, recovered: false });
    return segment?.id;
  }

  /** For a segment that was not the open one; its seqs follow all given so far. */
  push(job: SealJob): void {
    this.#seals.push(job);
    this.#onChange();
  }

  /** Seqs for a segment of that many rows, which the caller pushes. */
  reserve(rows: number): number {
    const firstSeq = this.#lastSeq + 1;
    this.#lastSeq += rows;
    return firstSeq;
  }

  async dropAhead(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await (await ahead)?.discard();
  }

  async discard(): Promise<void> {
    await this.dropAhead();
    await this.#open?.discard();
    this.#open = undefined;
  }

  /** Leaves the open segment's file as it is, for the next start. */
  async close(): Promise<void> {
    await this.dropAhead();
    await this.#open?.close();
    this.#open = undefined;
  }

  numbers(): Omit<BufferNumbers, "target"> {
    const sealing = this.#seals.jobs.map((job) => job.segment);
    const sum = (value: (segment: Segment) => number) => sealing.reduce((total, segment) => total + value(segment), 0);
    return {
      openRows: this.openRows,
      openBytes: this.openBytes,
      openSinceMs: this.openRows > 0 ? this.#open?.state.openedMs : undefined,
      sealingSegments: sealing.length,
      sealingRows: sum((segment) => segment.state.rows),
      sealingBytes: sum((segment) => segment.state.bytes),
      sealingSinceMs: sealing[0]?.state.openedMs || undefined,
      diskBytes: (this.#open?.diskBytes ?? 0) + sum((segment) => segment.diskBytes),
      lastSeq: this.#lastSeq,
    };
  }

  async usage(): Promise<{ memoryBytes: number; tempBytes: number }> {
    return (await this.#open?.usage()) ?? { memoryBytes: 0, tempBytes: 0 };
  }

  #create(): Promise<Segment> {
    return Segment.create(
      this.#settings.folder,
      must(this.#layout, "a layout comes before rows"),
      this.#settings.segment,
    );
  }
}
