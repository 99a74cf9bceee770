import type { Counter } from "prom-client";
import type { Metrics } from "./metrics.ts";

/** Rates between this sample and the one before it, per second. */
export interface ThroughputSample {
  /** Unix time of the end of the interval. */
  readonly atMs: number;
  /** Rows made durable in buffers. */
  readonly rowsIn: number;
  /** Rows that flushes inserted into the lake. */
  readonly rowsOut: number;
  readonly bytesIn: number;
  readonly queries: number;
}

const INTERVAL_MS = 2_000;
const KEPT_MS = 10 * 60_000;

type Totals = Omit<ThroughputSample, "atMs">;

/** What went through in the last minutes, from the metrics' own counters. */
export class Throughput implements Disposable {
  readonly #metrics: Metrics;
  readonly #nowMs: () => number;
  readonly #samples: ThroughputSample[] = [];
  #last: { readonly atMs: number; readonly totals: Totals } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(metrics: Metrics, nowMs: () => number) {
    this.#metrics = metrics;
    this.#nowMs = nowMs;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sample(), INTERVAL_MS).unref();
  }

  /** Oldest first. */
  get samples(): readonly ThroughputSample[] {
    return this.#samples;
  }

  async sample(): Promise<void> {
    const totals = await this.#totals();
    const atMs = this.#nowMs();
    const before = this.#last;
    this.#last = { atMs, totals };
    if (!before || atMs <= before.atMs) return;
    const seconds = (atMs - before.atMs) / 1000;
    const rate = (key: keyof Totals) => (totals[key] - before.totals[key]) / seconds;
    this.#samples.push({
      atMs,
      rowsIn: rate("rowsIn"),
      rowsOut: rate("rowsOut"),
      bytesIn: rate("bytesIn"),
      queries: rate("queries"),
    });
    while ((this.#samples[0]?.atMs ?? atMs) < atMs - KEPT_MS) this.#samples.shift();
  }

  async #totals(): Promise<Totals> {
    const { ingestRows, flushRows, ingestBytes, queries } = this.#metrics;
    return {
      rowsIn: await sum(ingestRows),
      rowsOut: await sum(flushRows, ({ change }) => change === "inserted"),
      bytesIn: await sum(ingestBytes),
      queries: await sum(queries),
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

async function sum<L extends string>(
  counter: Counter<L>,
  isWanted: (labels: Partial<Record<L, string | number>>) => boolean = () => true,
): Promise<number> {
  const { values } = await counter.get();
  return values.reduce((total, { value, labels }) => (isWanted(labels) ? total + value : total), 0);
}
