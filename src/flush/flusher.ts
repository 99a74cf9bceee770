import { type Target, targetKey } from "../base/target.ts";
import type { SealedSegment, SealReason } from "../buffer/types.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Log } from "../lake/types.ts";
import { takeBatch } from "./batch.ts";
import type { Clock } from "./clock.ts";
import type { CommitPauseLimits } from "./commit-pause.ts";
import { CommitRest } from "./commit-rest.ts";
import { Committer, type TableOutcome } from "./committer.ts";
import { FlushHistory } from "./history.ts";
import type { FlushObserver, FlushRecord } from "./observer.ts";
import { releaseCommitted } from "./recovery.ts";
import { TableQueue } from "./table-queue.ts";
import { TableSteps } from "./table-steps.ts";
import type { FlushBuffers, FlushLake } from "./types.ts";

export interface FlusherOptions {
  readonly buffers: FlushBuffers;
  readonly lake: FlushLake;
  readonly observer: FlushObserver;
  readonly clock: Clock;
  readonly log: Log;
  /** Compactions at a time, each with `flush_memory_mb`. */
  readonly maxParallelFlushes: number;
  /** Default: no rests. */
  readonly pauseLimits?: CommitPauseLimits;
  /** See `TableQueue.isTooSoon`; at least as often somebody calls `enqueue`. Default: 0. */
  readonly spacingMs?: number;
  /** Whether appends wait for room on disk now: then nothing is left to gather. */
  readonly isDiskFull?: () => boolean;
}

const NO_PAUSES: CommitPauseLimits = { greatestMs: 0, maxAgeMs: 0 };

/**
 * Brings sealed segments into the lake: decides which table takes its next step, and tells those who wait. Each table's
 * batch is compacted (`table-steps.ts`), a few tables at a time; there is one committer (`committer.ts`), and whenever it is
 * free it takes all tables that are ready into one transaction. While it runs, newly sealed segments gather, so that load
 * makes commits larger and not more; while the catalog is slow it rests between commits (`commit-pause.ts`), and what
 * gathers then is compacted and committed as one. A table that fails waits and is tried again, for ever; nothing of it is
 * dropped, and the others go on.
 */
export class Flusher implements AsyncDisposable {
  readonly #options: FlusherOptions;
  readonly #tables = new Map<string, TableQueue>();
  readonly #history = new FlushHistory();
  readonly #work = new Set<Promise<void>>();
  readonly #rest: CommitRest;
  readonly #committer: Committer;
  readonly #steps: TableSteps;
  #isStopped = false;

  constructor(options: FlusherOptions) {
    const { buffers, lake, observer, clock, log } = options;
    const onDue = () => this.#pump();
    this.#options = options;
    this.#rest = new CommitRest(options.pauseLimits ?? NO_PAUSES, clock, onDue);
    this.#committer = new Committer(lake, this.#rest, observer);
    this.#steps = new TableSteps({ buffers, history: this.#history, observer, clock, log, onDue });
  }

  /** Rest after each commit at present, because the catalog is slow. */
  get pauseMs(): number {
    return this.#rest.pauseMs;
  }

  /** The last 200 flushes, oldest first. */
  get recent(): readonly FlushRecord[] {
    return this.#history.recent;
  }

  /** Failed attempts since the target's last success, why, and when it is tried again. */
  failures(target: Target): {
    readonly count: number;
    readonly error: string | undefined;
    readonly retryAtMs: number | undefined;
  } {
    const table = this.#tables.get(targetKey(target));
    const error = table?.lastError === undefined ? undefined : messageOf(table.lastError);
    return { count: table?.failureCount ?? 0, error, retryAtMs: table?.retryAtMs };
  }

  /** Has the target's sealed segments flushed; one that waits after a failure goes on waiting. */
  enqueue(target: Target): void {
    this.#table(target);
    this.#pump();
  }

  /** Tries all tables that wait after a failure again now: what they failed for may be over. */
  retryNow(): void {
    for (const table of this.#tables.values()) table.wake();
    this.#pump();
  }

  /**
   * Resolves once all rows that are in the target's buffer now are in the lake and hardened. Tries at once, also when the
   * target waits after a failure, and rejects with the error of that attempt.
   */
  async flush(target: Target, reason: SealReason): Promise<void> {
    const { buffers } = this.#options;
    if (this.#isStopped) throw stopped();
    if (buffers.hasBuffer(target)) await buffers.seal(target, reason);
    const last = buffers.sealed(target).at(-1);
    if (!last) return;
    if (this.#isStopped) throw stopped();
    const table = this.#table(target);
    const done = table.waitFor(last.lastSeq);
    table.wake();
    this.#pump();
    await done;
  }

  /** All buffers; rejects after all attempts, when one or more failed, with the first error's code and every message. */
  async flushAll(reason: SealReason): Promise<void> {
    const targets = this.#options.buffers.views().map((view) => view.target);
    const results = await Promise.allSettled(targets.map((target) => this.flush(target, reason)));
    const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    const first = errors[0];
    if (errors.length <= 1) {
      if (first !== undefined) throw first;
      return;
    }
    const code = first instanceof EiderError ? first.code : "internal";
    const text = errors.map(messageOf).join("; ");
    throw new EiderError(code, `${errors.length} of ${targets.length} tables could not be flushed: ${text}`, {
      cause: first,
    });
  }

  /** For segments found at start: those that the watermark has passed are removed, the others flushed. */
  async recover(segments: readonly SealedSegment[]): Promise<{ readonly released: number; readonly replayed: number }> {
    const waiting = await releaseCommitted(segments, this.#options);
    for (const { target } of waiting) this.enqueue(target);
    return { released: segments.length - waiting.length, replayed: waiting.length };
  }

  /**
   * For shutdown: flushes all buffers for at most `timeoutMs`. Resolves to whether everything is in the lake; what is not
   * stays in its segments for the next start.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    const { clock, log } = this.#options;
    let cancel = () => {};
    const timeout = new Promise<boolean>((resolve) => {
      cancel = clock.after(timeoutMs, () => resolve(false));
    });
    const flushed = this.flushAll("shutdown").then(
      () => true,
      (error: unknown) => {
        log.warn(
          { error: messageOf(error) },
          "not everything was flushed before shutdown; it waits for the next start",
        );
        return false;
      },
    );
    try {
      return await Promise.race([flushed, timeout]);
    } finally {
      cancel();
    }
  }

  #table(target: Target): TableQueue {
    const key = targetKey(target);
    const table = this.#tables.get(key) ?? new TableQueue(target);
    this.#tables.set(key, table);
    return table;
  }

  #pump(): void {
    if (this.#isStopped) return;
    const isResting = this.#isResting();
    const tables = [...this.#tables];
    let compactions = tables.filter(([, { stage }]) => stage === "compacting").length;
    for (const [key, table] of tables) {
      if (table.stage !== "idle") continue;
      const waiting = this.#options.buffers.sealed(table.target);
      const committed = waiting.filter((segment) => segment.lastSeq <= table.committedSeq);
      if (waiting.length === 0) {
        table.succeed();
        table.resolveUpTo(Number.POSITIVE_INFINITY);
      } else if (committed.length > 0) {
        this.#track(this.#steps.removeAgain(table, committed));
      } else if (!isResting && !this.#isTooSoon(table) && compactions < this.#options.maxParallelFlushes) {
        // To the end of the line, so that busy tables do not keep the others waiting.
        this.#tables.delete(key);
        this.#tables.set(key, table);
        compactions++;
        this.#track(this.#steps.compact(table, takeBatch(waiting)));
      }
    }
    if (this.#rest.isCommitting || isResting || (this.#rest.pauseMs > 0 && this.#gathers())) return;
    const committing = this.#committer.commit(this.#tables.values());
    if (committing) this.#track(committing.then((outcomes) => this.#settle(outcomes)));
  }

  #settle(outcomes: readonly TableOutcome[]): void {
    for (const outcome of outcomes) {
      const { table } = outcome;
      this.#track(
        "facts" in outcome
          ? this.#steps.remove(table, outcome.batch, outcome.facts)
          : this.#steps.giveBack(table, outcome.error, outcome.phasesMs),
      );
    }
  }

  #isResting(): boolean {
    if (this.#options.isDiskFull?.()) return false;
    const tables = [...this.#tables.values()].filter(({ stage }) => stage === "idle" || stage === "ready");
    return this.#rest.isOn(tables, ({ target }) => this.#options.buffers.sealed(target));
  }

  /** Whether tables are on their way to the next commit, which would otherwise wait for the one after it. Nobody waits for them. */
  #gathers(): boolean {
    const { buffers } = this.#options;
    const tables = [...this.#tables.values()];
    if (tables.some(({ stage, isAwaited }) => stage === "ready" && isAwaited)) return false;
    return tables.some(
      (table) =>
        table.stage === "compacting" ||
        (table.stage === "idle" && buffers.sealed(table.target).length > 0 && !this.#isTooSoon(table)),
    );
  }

  #isTooSoon(table: TableQueue): boolean {
    const { buffers, clock, spacingMs = 0, isDiskFull } = this.#options;
    return !isDiskFull?.() && table.isTooSoon(buffers.sealed(table.target), clock.nowMs(), spacingMs);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => {
      this.#work.delete(tracked);
      this.#pump();
    });
    this.#work.add(tracked);
  }

  /** Ends after the step that each table is in; those who wait get `shutting_down`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#rest[Symbol.dispose]();
    for (const table of this.#tables.values()) table.stop(stopped());
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}

function stopped(): EiderError {
  return new EiderError(
    "shutting_down",
    "the server is shutting down; rows that are not flushed wait for its next start",
  );
}
