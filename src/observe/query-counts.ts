import { type Metrics, observeMs } from "./metrics.ts";

/** Statements that run, and how they ended. */
export class QueryCounts {
  readonly #metrics: Metrics;
  #running = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  get running(): number {
    return this.#running;
  }

  /** A statement starts; the returned function is called when it ends, and counts once. */
  started(): (result: "ok" | "error" | "cancelled") => void {
    this.#running++;
    const startedMs = performance.now();
    let hasEnded = false;
    return (result) => {
      if (hasEnded) return;
      hasEnded = true;
      this.#running--;
      this.#metrics.queries.inc({ result });
      observeMs(this.#metrics.queryDuration, performance.now() - startedMs);
    };
  }
}
