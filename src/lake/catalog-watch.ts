import { EiderError, messageOf } from "../errors.ts";
import type { Log } from "./types.ts";

/** A time in which the catalog does not answer. */
export interface Outage {
  /** Unix time. */
  readonly sinceMs: number;
  /** How long it has lasted by now, by a clock that nobody sets. */
  readonly lengthMs: number;
}

export interface CatalogWatchOptions {
  /** Rejects when the catalog does not answer. */
  readonly probe: () => Promise<void>;
  /** Called once the catalog answers again. */
  readonly onBack: () => void;
  readonly log: Log;
  /** Default: as below. */
  readonly intervalMs?: number;
  readonly patienceMs?: number;
}

/** How often a catalog that is away is asked. */
const INTERVAL_MS = 1_000;
/** A catalog that does not answer for so long counts as away: a machine that is gone may not even refuse a connection. */
const PATIENCE_MS = 5_000;

/**
 * Knows whether the lake's catalog answers, and since when it does not. It asks only after an error that may mean that,
 * and then until the catalog is back: a lake that works costs nothing.
 */
export class CatalogWatch implements Disposable {
  readonly #options: Required<CatalogWatchOptions>;
  readonly #explained = new WeakSet<object>();
  #outage: Outage | undefined;
  #asking: Promise<void> | undefined;
  #probing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: CatalogWatchOptions) {
    this.#options = { intervalMs: INTERVAL_MS, patienceMs: PATIENCE_MS, ...options };
  }

  get outage(): Outage | undefined {
    return this.#outage;
  }

  /** The error itself, or one that tells of the outage which it comes from. Never rejects. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof EiderError) || error.code !== "lake_unavailable" || this.#explained.has(error)) return error;
    await this.check();
    if (!this.#outage) return error;
    const { sinceMs, lengthMs } = this.#outage;
    const told = new EiderError(
      "lake_unavailable",
      `the lake's catalog has not answered for ${Math.round(lengthMs / 1000)} s ` +
        `(since ${new Date(sinceMs).toISOString()}): ${oneLine(error.message)}. Appends to tables that this server has written to ` +
        "since its start are still taken; for everything else try again when the catalog is back",
      { cause: error },
    );
    this.#explained.add(told);
    return told;
  }

  /** `work`, unless the catalog is away, or does not answer within the patience and turns out to be away: then `otherwise`. */
  async unlessAway<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    if (this.#outage) return otherwise;
    const working = work();
    // It may fail long after its answer was not waited for any more.
    working.catch(() => undefined);
    try {
      if (await isSettledWithin(working, this.#options.patienceMs)) return await working;
    } catch (error) {
      await this.explain(error);
      if (this.#outage) return otherwise;
      throw error;
    }
    await this.check();
    return this.#outage ? otherwise : await working;
  }

  /** Asks the catalog, unless it is being asked; resolves when `outage` tells the answer. */
  check(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const { probe, onBack, log, intervalMs, patienceMs } = this.#options;
    try {
      // One that hangs is not asked again beside it: each would hold a thread.
      this.#probing ??= probe().finally(() => {
        this.#probing = undefined;
      });
      const answer = this.#probing;
      answer.catch(() => undefined);
      if (!(await isSettledWithin(answer, patienceMs)))
        throw new EiderError("lake_unavailable", `no answer within ${patienceMs / 1000} s`);
      await answer;
      if (!this.#outage) return;
      log.info({ awaySeconds: Math.round(this.#outage.lengthMs / 1000) }, "the lake's catalog is back");
      this.#outage = undefined;
      onBack();
    } catch (error) {
      if (!this.#outage) {
        log.error(
          { error: oneLine(messageOf(error)) },
          "the lake's catalog does not answer; appends to known tables are kept",
        );
      }
      this.#outage ??= outageFromNow();
      if (this.#isClosed) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.check(), intervalMs).unref();
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}

function outageFromNow(): Outage {
  const started = performance.now();
  return {
    sinceMs: Date.now(),
    get lengthMs() {
      return performance.now() - started;
    },
  };
}

/** PostgreSQL's driver writes several, with tabs. */
const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

async function isSettledWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
