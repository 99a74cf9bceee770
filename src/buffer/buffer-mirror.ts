import { type Target, targetKey } from "../base/target.ts";
import type { BufferNumbers } from "./messages.ts";
import type { RowLayout } from "./row-layout.ts";
import type { BufferView, SealedSegment } from "./types.ts";

/** What the main thread knows of one target's buffer, kept current by its worker's updates. */
export class BufferMirror {
  readonly key: string;
  readonly target: Target;
  /** Set while the buffer is ensured. */
  layout: RowLayout | undefined;
  /** Sealed segments in order of their seqs. */
  readonly sealed: SealedSegment[] = [];
  /** Highest acknowledged seq per session that has rows in the buffer. */
  readonly #sessions = new Map<string, number>();
  #numbers: BufferNumbers | undefined;
  #watermark = 0;
  #removedSeq = 0;

  constructor(target: Target) {
    this.key = targetKey(target);
    this.target = target;
  }

  update(numbers: BufferNumbers): void {
    this.#numbers = numbers;
    this.noteSeq(numbers.lastSeq);
  }

  /** The highest seq that must not be given again. */
  get watermark(): number {
    return this.#watermark;
  }

  noteSeq(seq: number): void {
    this.#watermark = Math.max(this.#watermark, seq);
  }

  /** False when it is known already. */
  addSealed(segment: SealedSegment): boolean {
    if (this.sealed.some((known) => known.id === segment.id)) return false;
    this.sealed.push(segment);
    this.sealed.sort((a, b) => a.firstSeq - b.firstSeq);
    this.noteSeq(segment.lastSeq);
    return true;
  }

  removeSealed(segments: readonly SealedSegment[]): void {
    const removed = new Set(segments.map((segment) => segment.id));
    this.sealed.splice(0, this.sealed.length, ...this.sealed.filter((segment) => !removed.has(segment.id)));
    this.#removedSeq = Math.max(this.#removedSeq, ...segments.map((segment) => segment.lastSeq));
    for (const [session, seq] of this.#sessions) if (seq <= this.#removedSeq) this.#sessions.delete(session);
  }

  /** A file that was set aside: its rows have not come to the lake. False when it is none of this buffer's. */
  dropSealed(path: string): boolean {
    const index = this.sealed.findIndex((segment) => segment.path === path);
    if (index >= 0) this.sealed.splice(index, 1);
    return index >= 0;
  }

  /** Of a duplicate too: it was acknowledged, and its rows may still wait. */
  acknowledged(session: string, seq: number): void {
    if (seq > this.#removedSeq) this.#sessions.set(session, Math.max(seq, this.#sessions.get(session) ?? 0));
  }

  hasRowsOf(session: string): boolean {
    return this.#sessions.has(session);
  }

  get diskBytes(): number {
    return this.sealed.reduce((sum, segment) => sum + segment.fileBytes, this.#numbers?.diskBytes ?? 0);
  }

  get view(): BufferView {
    const numbers = this.#numbers;
    const sum = (value: (segment: SealedSegment) => number) =>
      this.sealed.reduce((total, segment) => total + value(segment), 0);
    const since = [this.sealed[0]?.oldestMs, numbers?.sealingSinceMs, numbers?.openSinceMs];
    return {
      target: this.target,
      openRows: numbers?.openRows ?? 0,
      openBytes: numbers?.openBytes ?? 0,
      openSinceMs: numbers?.openSinceMs,
      sealedSegments: this.sealed.length + (numbers?.sealingSegments ?? 0),
      sealedRows: sum((segment) => segment.rows) + (numbers?.sealingRows ?? 0),
      sealedBytes: sum((segment) => segment.bytes) + (numbers?.sealingBytes ?? 0),
      oldestMs: since.find((ms) => ms !== undefined),
      diskBytes: this.diskBytes,
      lastSeq: this.#watermark,
    };
  }
}
