import { type Backoff, backoffMs } from "../base/backoff.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import type { Buffers, Compaction, SealedSegment, SealReason } from "../buffer/types.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { CommitResult, FlushPart, Log } from "../lake/types.ts";
import type { Clock } from "./clock.ts";
import type { CommitPauseLimits } from "./commit-pause.ts";
import { CommitRest } from "./commit-rest.ts";
import { type FlushFacts, FlushHistory, newestSeq } from "./history.ts";
import type { FlushObserver, FlushRecord } from "./observer.ts";
import { type Batch, type ReadyTable, TableQueue, takeBatch, takeReady } from "./table-queue.ts";

/** Between attempts of a table whose flush fails. */
const FLUSH_BACKOFF: Backoff = { firstMs: 1_000, greatestMs: 60_000 };

/** What the flusher needs of the lake. */
export interface FlushLake {
  watermarks(): Promise<ReadonlyMap<string, number>>;
  commitFlush(parts: readonly FlushPart[]): Promise<CommitResult>;
}

/** What the flusher and the sweeper need of the buffers. */
export type FlushBuffers = Pick<Buffers, "hasBuffer" | "seal" | "sealed" | "compact" | "remove" | "views">;

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
 * Brings sealed segments into the lake. Each table's batch is compacted, a few tables at a time; there is one committer,
 * and whenever it is free it takes all tables that are ready into one transaction. While it runs, newly sealed segments
 * gather, so that load makes commits larger and not more; while the catalog is slow it rests between commits (`commit-pause.ts`),
 * and what gathers then is compacted and committed as one. A table that fails waits and is tried again, for ever; nothing
 * of it is dropped, and the others go on.
 */
export class Flusher implements AsyncDisposable {
  readonly #options: FlusherOptions;
  readonly #tables = new Map<string, TableQueue>();
  readonly #history = new FlushHistory();
  readonly #work = new Set<Promise<void>>();
  #compactions = 0;
  #isCommitting = false;
  readonly #rest: CommitRest;
  #isStopped = false;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#rest = new CommitRest(options.pauseLimits ?? NO_PAUSES, options.clock, () => this.#pump());
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
    for (const table of this.#tables.values()) if (table.stage === "waiting") this.#wake(table);
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
    if (table.stage === "waiting") this.#wake(table);
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

  /** Segments found at start: those that the watermark has passed are removed, the others flushed. */
  async recover(segments: readonly SealedSegment[]): Promise<{ readonly released: number; readonly replayed: number }> {
    const { buffers, lake, observer } = this.#options;
    if (segments.length === 0) return { released: 0, replayed: 0 };
    const marks = await lake.watermarks();
    const isCommitted = (segment: SealedSegment) => segment.lastSeq <= (marks.get(targetKey(segment.target)) ?? 0);
    const committed = segments.filter(isCommitted);
    const waiting = segments.filter((segment) => !isCommitted(segment));
    const byTarget = new Map<string, SealedSegment[]>();
    for (const segment of committed) {
      const key = targetKey(segment.target);
      byTarget.set(key, [...(byTarget.get(key) ?? []), segment]);
    }
    for (const group of byTarget.values()) await buffers.remove(group, undefined);
    if (committed.length > 0) observer.recovered("released", committed.length);
    if (waiting.length > 0) observer.recovered("replayed", waiting.length);
    for (const { target } of waiting) this.enqueue(target);
    return { released: committed.length, replayed: waiting.length };
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
    for (const [key, table] of this.#tables) {
      if (table.stage !== "idle") continue;
      const waiting = this.#options.buffers.sealed(table.target);
      const committed = waiting.filter((segment) => segment.lastSeq <= table.committedSeq);
      if (waiting.length === 0) {
        table.succeed();
        table.resolveUpTo(Number.POSITIVE_INFINITY);
      } else if (committed.length > 0) {
        this.#track(this.#removeAgain(table, committed));
      } else if (!isResting && !this.#isTooSoon(table) && this.#compactions < this.#options.maxParallelFlushes) {
        // To the end of the line, so that busy tables do not keep the others waiting.
        this.#tables.delete(key);
        this.#tables.set(key, table);
        this.#track(this.#compact(table, takeBatch(waiting)));
      }
    }
    if (this.#isCommitting || isResting || (this.#rest.pauseMs > 0 && this.#gathers())) return;
    const ready = takeReady(this.#tables.values());
    if (ready.length > 0) this.#track(this.#commit(ready));
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

  async #compact(table: TableQueue, segments: readonly SealedSegment[]): Promise<void> {
    const { buffers, clock } = this.#options;
    const startedMs = clock.nowMs();
    const started = performance.now();
    table.begin({ segments, startedMs, started, compaction: undefined, compactMs: 0 });
    this.#compactions++;
    try {
      const compaction = await buffers.compact(segments);
      table.batch = { segments, startedMs, started, compaction, compactMs: performance.now() - started };
      table.stage = "ready";
    } catch (error) {
      this.#fail(table, error, { compact: performance.now() - started });
    } finally {
      this.#compactions--;
    }
  }

  async #commit(ready: readonly ReadyTable[]): Promise<void> {
    const { lake, observer } = this.#options;
    this.#isCommitting = true;
    this.#rest.commitBegins();
    for (const { table } of ready) table.stage = "committing";
    let result: CommitResult | undefined;
    try {
      const parts = ready.map(({ table, batch, compaction }) => ({
        target: table.target,
        segments: batch.segments,
        compaction,
      }));
      result = await lake.commitFlush(parts);
    } catch (error) {
      for (const { table } of ready) await this.#failCommitted(table, error, {});
      return;
    } finally {
      this.#isCommitting = false;
      this.#rest.commitEnds(result && { commitMs: result.phasesMs.commit, conflicts: result.conflicts.length });
    }
    if (result.wasInDoubt) observer.inDoubt();
    for (const { table, batch } of ready) {
      const outcome = result.outcomes.find((row) => targetKey(row.target) === targetKey(table.target));
      const failure = result.failures.find((row) => targetKey(row.target) === targetKey(table.target));
      const phasesMs = { compact: batch.compactMs, ...result.phasesMs };
      if (outcome && !failure) {
        table.stage = "removing";
        table.committedSeq = newestSeq(batch.segments);
        this.#track(this.#remove(table, batch, { ...outcome, phasesMs }));
      } else {
        const error = failure?.error ?? new EiderError("internal", `no outcome for ${targetName(table.target)}`);
        this.#track(this.#failCommitted(table, error, phasesMs));
      }
    }
  }

  /** The committer does not wait for this: the rows are in the lake, and a start skips what is left by the watermark. */
  async #remove(table: TableQueue, batch: Batch, facts: FlushFacts): Promise<void> {
    const started = performance.now();
    await this.#removeFiles(table, batch.segments, batch.compaction);
    const phasesMs = { ...facts.phasesMs, remove: performance.now() - started };
    this.#options.observer.flushed(this.#history.add(table.target, batch, { ...facts, phasesMs }));
    table.batch = undefined;
    table.resolveUpTo(newestSeq(batch.segments));
    if (table.stage === "waiting") return;
    table.stage = "idle";
    table.succeed();
  }

  /** Not flushed again, which the watermark would allow: some of the files may be gone. */
  async #removeAgain(table: TableQueue, segments: readonly SealedSegment[]): Promise<void> {
    table.stage = "removing";
    if (!(await this.#removeFiles(table, segments, undefined))) return table.rejectAll(table.lastError);
    table.resolveUpTo(newestSeq(segments));
    table.stage = "idle";
    table.succeed();
  }

  async #removeFiles(
    table: TableQueue,
    segments: readonly SealedSegment[],
    compaction: Compaction | undefined,
  ): Promise<boolean> {
    const { buffers, log } = this.#options;
    try {
      await buffers.remove(segments, compaction);
      return true;
    } catch (error) {
      log.warn(
        { table: targetName(table.target), error: messageOf(error) },
        "flushed segments could not be removed yet",
      );
      this.#retryLater(table, error);
      return false;
    }
  }

  /** The winners are found anew for the next attempt, with the segments that gather until then. */
  async #failCommitted(table: TableQueue, error: unknown, phasesMs: FlushRecord["phasesMs"]): Promise<void> {
    const compaction = table.batch?.compaction;
    try {
      if (compaction) await this.#options.buffers.remove([], compaction);
    } catch (cause) {
      this.#options.log.warn({ error: messageOf(cause) }, "a compaction's file could not be removed");
    }
    this.#fail(table, error, phasesMs);
  }

  #fail(table: TableQueue, error: unknown, phasesMs: FlushRecord["phasesMs"]): void {
    const { observer, log } = this.#options;
    const { batch } = table;
    table.batch = undefined;
    this.#retryLater(table, error);
    if (batch) {
      const record = this.#history.add(table.target, batch, { phasesMs, error: messageOf(error) });
      observer.failed(table.target, record.reason, error instanceof EiderError ? error.code : "internal");
    }
    log.warn(
      {
        table: targetName(table.target),
        attempts: table.failureCount,
        retryAtMs: table.retryAtMs,
        error: messageOf(error),
        ...(error instanceof EiderError && error.code === "disk_full" ? { cause: messageOf(error.cause) } : {}),
      },
      "a flush failed; its rows are kept and it is tried again",
    );
    table.rejectAll(error);
  }

  #retryLater(table: TableQueue, error: unknown): void {
    const { clock } = this.#options;
    table.failureCount++;
    table.lastError = error;
    table.stage = "waiting";
    if (this.#isStopped) return;
    const delayMs = backoffMs(FLUSH_BACKOFF, table.failureCount);
    table.retryAtMs = clock.nowMs() + delayMs;
    table.cancelRetry = clock.after(delayMs, () => {
      this.#wake(table);
      this.#pump();
    });
  }

  #wake(table: TableQueue): void {
    table.cancelRetry();
    table.retryAtMs = undefined;
    table.stage = "idle";
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
    for (const table of this.#tables.values()) {
      table.cancelRetry();
      table.rejectAll(stopped());
    }
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}

function stopped(): EiderError {
  return new EiderError(
    "shutting_down",
    "the server is shutting down; rows that are not flushed wait for its next start",
  );
}
