import type PQueue from "p-queue";
import { fromDuckError } from "../duck/errors.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Log } from "./log.ts";
import type { Segment } from "./segment.ts";
import type { SealedSegment, SealReason } from "./types.ts";

const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 30_000;

/** A checkpoint of less than this needs no memory to speak of. */
const LARGE_SEAL_BYTES = 2_000_000;

export interface SealQueueSettings {
  /** Bounds the checkpoints at a time that load what an open segment may have spilled, of all the worker's tables. */
  readonly largeSeals: PQueue;
  readonly log: Log;
}

export interface SealJob {
  readonly segment: Segment;
  readonly reason: SealReason;
  readonly recovered: boolean;
  /** A staged segment's COMMIT, which may still run: false drops the job. */
  readonly isCommitted?: Promise<boolean>;
}

interface Waiter {
  readonly last: SealJob;
  resolve(): void;
  reject(error: EiderError): void;
}

/**
 * Seals one target's segments strictly in order of their seqs: the lake remembers only the highest committed seq, so a
 * later segment that were flushed before an earlier one would make that one look committed, and its rows would be lost.
 * A job that fails (disk full, memory) stays at the front and is tried again; its rows are durable meanwhile.
 */
export class SealQueue {
  readonly #jobs: SealJob[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #onSealed: (segment: SealedSegment, tokens: number) => void;
  readonly #settings: SealQueueSettings;
  #isRunning = false;
  #isClosed = false;
  #run: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  /** While a large seal waits for its turn. */
  #waiting: AbortController | undefined;

  constructor(onSealed: (segment: SealedSegment, tokens: number) => void, settings: SealQueueSettings) {
    this.#onSealed = onSealed;
    this.#settings = settings;
  }

  push(job: SealJob): void {
    this.#jobs.push(job);
    if (!this.#isRunning && !this.#isClosed) this.#run = this.#work();
  }

  get jobs(): readonly SealJob[] {
    return this.#jobs;
  }

  /** Resolves once every job of this moment is sealed; rejects when one of them fails (it is tried again later). */
  async drained(): Promise<void> {
    const last = this.#jobs.at(-1);
    if (last === undefined) return;
    const settled = new Promise<void>((resolve, reject) => this.#waiters.add({ last, resolve, reject }));
    this.#wake();
    await settled;
  }

  /** Finishes the job that runs, but not one that waits for its turn, and takes no other; segments stay on disk for the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    this.#waiting?.abort();
    await this.#run;
    for (const job of this.#jobs) await job.segment.close();
    this.#failWaiters(new EiderError("shutting_down", "the buffer was closed before its segments were sealed"));
  }

  /** Stops, and deletes the segments that wait. */
  async discard(): Promise<void> {
    await this.close();
    for (const job of this.#jobs.splice(0)) await job.segment.discard();
  }

  async #work(): Promise<void> {
    this.#isRunning = true;
    let delayMs = RETRY_FIRST_MS;
    for (let job = this.#jobs[0]; job !== undefined && !this.#isClosed; job = this.#jobs[0]) {
      try {
        await this.#seal(job);
        delayMs = RETRY_FIRST_MS;
      } catch (error) {
        const fields = { path: job.segment.path, error: messageOf(error), retryMs: delayMs };
        this.#settings.log.warn(fields, "sealing a segment failed; its rows are durable and it is tried again");
        this.#failWaiters(fromDuckError(error));
        await this.#sleep(delayMs);
        delayMs = Math.min(delayMs * 2, RETRY_LAST_MS);
      }
    }
    this.#isRunning = false;
  }

  async #seal(job: SealJob): Promise<void> {
    const isCommitted = (await job.isCommitted) ?? true;
    const seal = async () => (this.#isClosed ? "closed" : job.segment.seal(job.reason, job.recovered));
    const isLarge = job.segment.state.bytes > LARGE_SEAL_BYTES;
    const sealed = isCommitted ? await (isLarge ? this.#inTurn(seal) : seal()) : undefined;
    // It waits for the next start.
    if (sealed === "closed") return;
    if (sealed === undefined || sealed.rows === 0) await job.segment.discard();
    this.#jobs.shift();
    if (sealed !== undefined && sealed.rows > 0) this.#onSealed(sealed, job.segment.state.tokens);
    for (const waiter of this.#waiters) {
      if (waiter.last !== job) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Ends at once when the queue is closed before it is this one's turn. */
  async #inTurn<T>(seal: () => Promise<T>): Promise<T | "closed"> {
    if (this.#isClosed) return "closed";
    const waiting = new AbortController();
    this.#waiting = waiting;
    // Once it runs it is waited for: aborted, p-queue would forget it, and its file would be closed under it.
    const run = () => {
      this.#waiting = undefined;
      return seal();
    };
    try {
      return await this.#settings.largeSeals.add(run, { signal: waiting.signal });
    } catch (error) {
      if (waiting.signal.aborted) return "closed";
      throw error;
    } finally {
      this.#waiting = undefined;
    }
  }

  #failWaiters(error: EiderError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
