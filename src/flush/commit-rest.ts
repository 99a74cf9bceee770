import type { SealedSegment, SealReason } from "../buffer/types.ts";
import { fillsCommit } from "./batch.ts";
import type { Clock } from "./clock.ts";
import { type CommitCost, type CommitPauseLimits, nextPauseMs, restMs, type WaitingRows } from "./commit-pause.ts";
import type { TableQueue } from "./table-queue.ts";

/** Sealed because room is short, or the process ends: a flush is what they wait for. */
const URGENT_REASONS: ReadonlySet<SealReason> = new Set(["memory", "shutdown"]);

/** The committer's rests while the catalog is slow: how long they are at present, and whether one is on. */
export class CommitRest implements Disposable {
  readonly #limits: CommitPauseLimits;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #pauseMs = 0;
  #endedMs = 0;
  #isCommitting = false;
  #cancelTimer: () => void = () => {};

  /** `onEnd` is called when a rest that `isOn` told of is over. */
  constructor(limits: CommitPauseLimits, clock: Clock, onEnd: () => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  get pauseMs(): number {
    return this.#pauseMs;
  }

  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  commitBegins(): void {
    this.#isCommitting = true;
  }

  /** `cost`: undefined when the commit told nothing of the catalog. */
  commitEnds(cost: CommitCost | undefined): void {
    this.#isCommitting = false;
    this.#endedMs = this.#clock.nowMs();
    if (cost) this.#pauseMs = nextPauseMs(this.#pauseMs, cost, this.#limits);
  }

  /**
   * Whether nothing is to be compacted and committed now. So it is also during a commit that is to be followed by a rest:
   * what is sealed then goes with what gathers in the rest. `tables`: those that are not in a commit or waiting after a failure.
   */
  isOn(tables: readonly TableQueue[], sealed: (table: TableQueue) => readonly SealedSegment[]): boolean {
    this.#cancelTimer();
    if (this.#pauseMs === 0) return false;
    const waiting = waitingRows(tables, tables.flatMap(sealed));
    if (!waiting) return false;
    if (this.#isCommitting) return !waiting.isUrgent;
    const at = { pauseMs: this.#pauseMs, endedMs: this.#endedMs, nowMs: this.#clock.nowMs() };
    const leftMs = restMs(at, waiting, this.#limits);
    if (leftMs > 0) this.#cancelTimer = this.#clock.after(leftMs, this.#onEnd);
    return leftMs > 0;
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
  }
}

function waitingRows(tables: readonly TableQueue[], segments: readonly SealedSegment[]): WaitingRows | undefined {
  if (segments.length === 0) return undefined;
  const isUrgent =
    tables.some((table) => table.isAwaited) ||
    segments.some((segment) => URGENT_REASONS.has(segment.reason)) ||
    fillsCommit(segments);
  return { oldestMs: Math.min(...segments.map((segment) => segment.oldestMs)), isUrgent };
}
