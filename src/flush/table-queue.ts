import { type Backoff, backoffMs } from "../base/backoff.ts";
import type { Target } from "../base/target.ts";
import type { SealedSegment } from "../buffer/types.ts";
import { type Batch, fillsCommit } from "./batch.ts";
import type { Clock } from "./clock.ts";

/** Between attempts of a table whose flush fails. */
const FLUSH_BACKOFF: Backoff = { firstMs: 1_000, greatestMs: 60_000 };

/**
 * Where one table's flush is: idle → compacting → ready → committing → removing → idle, and waiting after a failure. A
 * table has one batch under way at a time, so that its segments commit in order and those sealed meanwhile gather.
 */
export type Stage = "idle" | "compacting" | "ready" | "committing" | "removing" | "waiting";

interface Waiter {
  /** Satisfied once the rows up to this seq are in the lake. */
  readonly goal: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Rows that it waited for are lost. */
  damage?: Error;
}

/** One table on its way into the lake: its stage, its failures, and who waits for it. */
export class TableQueue {
  readonly target: Target;
  stage: Stage = "idle";
  batch: Batch | undefined;
  /** Rows up to here are in the lake: of their segments only the removal is left to do, and may be half done. */
  committedSeq = 0;
  #failureCount = 0;
  #lastError: unknown;
  #retryAtMs: number | undefined;
  #cancelRetry: () => void = () => {};
  #waiters: Waiter[] = [];
  /** When the last batch was begun; undefined before the first. */
  #begunMs: number | undefined;
  #isStopped = false;

  constructor(target: Target) {
    this.target = target;
  }

  /** Failed attempts since the last success. */
  get failureCount(): number {
    return this.#failureCount;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** Unix time; undefined unless it waits for another attempt. */
  get retryAtMs(): number | undefined {
    return this.#retryAtMs;
  }

  /** Somebody waits for rows of this table. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  begin(batch: Batch): void {
    this.stage = "compacting";
    this.batch = batch;
    this.#begunMs = batch.startedMs;
  }

  succeed(): void {
    this.stage = "idle";
    this.#failureCount = 0;
    this.#lastError = undefined;
  }

  /** Waits after a failure, longer with each one in a row; `onDue` is called when it may be tried again. */
  retryLater(error: unknown, clock: Clock, onDue: () => void): void {
    this.#failureCount++;
    this.#lastError = error;
    this.stage = "waiting";
    if (this.#isStopped) return;
    const delayMs = backoffMs(FLUSH_BACKOFF, this.#failureCount);
    this.#retryAtMs = clock.nowMs() + delayMs;
    this.#cancelRetry = clock.after(delayMs, () => {
      this.wake();
      onDue();
    });
  }

  /** At once, without rows that are lost: those who wait are told of `damage` when the others are in the lake. */
  goOnWithout(damage: Error): void {
    for (const waiter of this.#waiters) waiter.damage ??= damage;
    this.stage = "idle";
  }

  /** Ends the wait after a failure now; nothing in any other stage. */
  wake(): void {
    if (this.stage !== "waiting") return;
    this.#cancelRetry();
    this.#retryAtMs = undefined;
    this.stage = "idle";
  }

  /** It is not tried again, and `error` is for those who wait. */
  stop(error: unknown): void {
    this.#isStopped = true;
    this.#cancelRetry();
    this.rejectAll(error);
  }

  /**
   * Whether what waits had better gather: segments that were sealed for their size alone, less than `spacingMs` after the
   * last batch was begun, or their oldest row came. So a table that fills a segment many times a second gets a file every
   * few seconds, and not one each.
   */
  isTooSoon(waiting: readonly SealedSegment[], nowMs: number, spacingMs: number): boolean {
    const firstMs = Math.min(...waiting.map(({ oldestMs }) => oldestMs));
    const sinceMs = nowMs - Math.max(firstMs, this.#begunMs ?? firstMs);
    // A clock that was set back says nothing of how long ago that was.
    if (sinceMs < 0 || sinceMs >= spacingMs || this.isAwaited || fillsCommit(waiting)) return false;
    return waiting.every(({ reason }) => reason === "rows" || reason === "bytes");
  }

  waitFor(goal: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ goal, resolve, reject }));
  }

  /** The rows up to `seq` are in the lake, or gone. */
  resolveUpTo(seq: number): void {
    const done = this.#waiters.filter((waiter) => waiter.goal <= seq);
    this.#waiters = this.#waiters.filter((waiter) => waiter.goal > seq);
    for (const waiter of done) {
      if (waiter.damage) waiter.reject(waiter.damage);
      else waiter.resolve();
    }
  }

  /** Everyone who waits: a table's segments commit in order, so that no later one can pass the failed one. */
  rejectAll(error: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
