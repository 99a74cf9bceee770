import { targetName } from "../base/target.ts";
import type { Compaction, SealedSegment } from "../buffer/types.ts";
import { EiderError, type ErrorCode, messageOf } from "../errors.ts";
import type { Log } from "../lake/types.ts";
import { type Batch, newestSeq } from "./batch.ts";
import type { Clock } from "./clock.ts";
import type { FlushFacts, FlushHistory } from "./history.ts";
import type { FlushObserver, FlushRecord } from "./observer.ts";
import type { TableQueue } from "./table-queue.ts";
import type { FlushBuffers } from "./types.ts";

interface TableStepsParts {
  readonly buffers: FlushBuffers;
  readonly history: FlushHistory;
  readonly observer: FlushObserver;
  readonly clock: Clock;
  readonly log: Log;
  /** A table that has failed may be tried again. */
  readonly onDue: () => void;
}

/** So many in a row are several minutes: a disk or a network that is out of order for less is waited for. */
const LASTING_FAILURES = 10;

/** The lake's own, which have nothing to do with the segments. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(["table_not_found", "primary_key_missing", "schema_mismatch"]);

/** What is done for one table before and after the commit that it shares with others. No step rejects. */
export class TableSteps {
  readonly #parts: TableStepsParts;

  constructor(parts: TableStepsParts) {
    this.#parts = parts;
  }

  /** Finds the winners: the table is ready then. */
  async compact(table: TableQueue, segments: readonly SealedSegment[]): Promise<void> {
    const { buffers, clock } = this.#parts;
    const startedMs = clock.nowMs();
    const started = performance.now();
    table.begin({ segments, startedMs, started, compaction: undefined, compactMs: 0 });
    try {
      const compaction = await buffers.compact(segments);
      table.batch = { segments, startedMs, started, compaction, compactMs: performance.now() - started };
      table.stage = "ready";
    } catch (error) {
      await this.#fail(table, error, { compact: performance.now() - started });
    }
  }

  /** The committer does not wait for this: the rows are in the lake, and a start skips what is left by the watermark. */
  async remove(table: TableQueue, batch: Batch, facts: FlushFacts): Promise<void> {
    const { history, observer } = this.#parts;
    table.stage = "removing";
    table.committedSeq = newestSeq(batch.segments);
    const started = performance.now();
    const isRemoved = await this.#removeFiles(table, batch.segments, batch.compaction);
    const phasesMs = { ...facts.phasesMs, remove: performance.now() - started };
    observer.flushed(history.add(table.target, batch, { ...facts, phasesMs }));
    table.batch = undefined;
    table.resolveUpTo(newestSeq(batch.segments));
    if (isRemoved) table.succeed();
  }

  /** Not flushed again, which the watermark would allow: some of the files may be gone. */
  async removeAgain(table: TableQueue, segments: readonly SealedSegment[]): Promise<void> {
    table.stage = "removing";
    if (!(await this.#removeFiles(table, segments, undefined))) return table.rejectAll(table.lastError);
    table.resolveUpTo(newestSeq(segments));
    table.succeed();
  }

  /** After a commit without this table. The winners are found anew for the next attempt, with the segments that gather until then. */
  async giveBack(table: TableQueue, error: unknown, phasesMs: FlushRecord["phasesMs"]): Promise<void> {
    const compaction = table.batch?.compaction;
    try {
      if (compaction) await this.#parts.buffers.remove([], compaction);
    } catch (cause) {
      this.#parts.log.warn({ error: messageOf(cause) }, "a compaction's file could not be removed");
    }
    await this.#fail(table, error, phasesMs);
  }

  async #removeFiles(
    table: TableQueue,
    segments: readonly SealedSegment[],
    compaction: Compaction | undefined,
  ): Promise<boolean> {
    const { buffers, log } = this.#parts;
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

  async #fail(table: TableQueue, cause: unknown, phasesMs: FlushRecord["phasesMs"]): Promise<void> {
    const { history, observer, log } = this.#parts;
    const { batch } = table;
    const damage = batch && (await this.#setDamagedAside(table, batch, cause));
    const error = damage ?? cause;
    table.batch = undefined;
    if (damage) table.goOnWithout(damage);
    else this.#retryLater(table, error);
    if (batch) {
      const record = history.add(table.target, batch, { phasesMs, error: messageOf(error) });
      observer.failed(table.target, record.reason, error instanceof EiderError ? error.code : "internal");
    }
    if (damage) {
      log.error(
        { table: targetName(table.target), error: damage.message },
        "a table is flushed without a damaged segment",
      );
      return;
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

  /** A file that cannot be read would fail each attempt. Undefined when there is none; else what those who wait are told. */
  async #setDamagedAside(table: TableQueue, { segments }: Batch, error: unknown): Promise<EiderError | undefined> {
    if (!mayBeDamage(error)) return undefined;
    try {
      const rows = await this.#parts.buffers.setDamagedAside(segments, table.failureCount >= LASTING_FAILURES);
      if (rows === 0) return undefined;
      return new EiderError(
        "segment_damaged",
        `a segment of table ${targetName(table.target)} is damaged, and was set aside in the buffer's quarantine; some ${rows} ` +
          `acknowledged rows in it are not in the lake (the log names the file), all others are flushed: ${messageOf(error)}`,
        { cause: error },
      );
    } catch (failure) {
      this.#parts.log.warn({ error: messageOf(failure) }, "segments could not be looked at after a failed flush");
      return undefined;
    }
  }

  #retryLater(table: TableQueue, error: unknown): void {
    table.retryLater(error, this.#parts.clock, this.#parts.onDue);
  }
}

/** What a file that cannot be read may give: no other reason is known, and trying again does not help. */
function mayBeDamage(error: unknown): boolean {
  return !(error instanceof EiderError) || (!error.row.retryable && !REFUSALS.has(error.code));
}
