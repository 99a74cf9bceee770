import type { Counter } from "prom-client";
import type { PoolCounts } from "../base/pool-counts.ts";
import type { BufferView } from "../buffer/types.ts";
import { collectWith, type Metrics } from "./metrics.ts";

/** Connects the gauges to the owners of what they show; each is asked when Prometheus scrapes. */

/** Buffers beyond the table limit add up under `other`; its age is the oldest one's. */
export function collectBuffers(metrics: Metrics, views: () => readonly BufferView[], nowMs: () => number): void {
  const forEach = (add: (view: BufferView, table: string) => void) => () => {
    for (const view of views()) add(view, metrics.table(view.target));
  };
  collectWith(
    metrics.bufferRows,
    forEach((view, table) => {
      metrics.bufferRows.inc({ table, state: "open" }, view.openRows);
      metrics.bufferRows.inc({ table, state: "sealed" }, view.sealedRows);
    }),
  );
  collectWith(
    metrics.bufferBytes,
    forEach((view, table) => {
      metrics.bufferBytes.inc({ table, state: "open" }, view.openBytes);
      metrics.bufferBytes.inc({ table, state: "sealed" }, view.sealedBytes);
    }),
  );
  collectWith(
    metrics.bufferSegments,
    forEach((view, table) => {
      metrics.bufferSegments.inc({ table, state: "open" }, view.openRows > 0 ? 1 : 0);
      metrics.bufferSegments.inc({ table, state: "sealed" }, view.sealedSegments);
    }),
  );
  collectWith(
    metrics.bufferDiskBytes,
    forEach((view, table) => metrics.bufferDiskBytes.inc({ table }, view.diskBytes)),
  );
  collectWith(metrics.bufferAge, () => {
    const ages = new Map<string, number>();
    for (const view of views()) {
      const table = metrics.table(view.target);
      const ageMs = view.oldestMs === undefined ? 0 : Math.max(0, nowMs() - view.oldestMs);
      ages.set(table, Math.max(ages.get(table) ?? 0, ageMs));
    }
    for (const [table, ageMs] of ages) metrics.bufferAge.set({ table }, ageMs / 1000);
  });
}

export interface DuckdbUse {
  readonly instance: "lake" | "buffers";
  readonly memoryBytes: number;
  readonly tempBytes: number;
}

export function collectDuckdb(metrics: Metrics, uses: () => Promise<readonly DuckdbUse[]>): void {
  collectWith(metrics.duckdbMemory, async () => {
    for (const { instance, memoryBytes } of await uses()) metrics.duckdbMemory.set({ instance }, memoryBytes);
  });
  collectWith(metrics.duckdbTemp, async () => {
    for (const { instance, tempBytes } of await uses()) metrics.duckdbTemp.set({ instance }, tempBytes);
  });
}

export interface QueryGauges {
  readonly running: () => number;
  readonly waiting: () => number;
}

export function collectQueries(metrics: Metrics, counts: QueryGauges): void {
  collectWith(metrics.queriesRunning, () => metrics.queriesRunning.set(counts.running()));
  collectWith(metrics.queriesWaiting, () => metrics.queriesWaiting.set(counts.waiting()));
}

export function collectPool(metrics: Metrics, counts: () => PoolCounts): void {
  collectWith(metrics.poolConnections, () => {
    metrics.poolConnections.set({ state: "busy" }, counts().busy);
    metrics.poolConnections.set({ state: "idle" }, counts().idle);
  });
  follow(metrics.poolOpened, () => counts().opened);
  follow(metrics.poolWaits, () => counts().waits);
  follow(metrics.poolWaitSeconds, () => counts().waitedMs / 1000);
}

export interface BufferCounts {
  readonly waits: number;
  readonly waitedMs: number;
  readonly quarantined: number;
}

/** Counters that the buffers keep themselves. */
export function collectBufferCounts(metrics: Metrics, counts: () => BufferCounts): void {
  follow(metrics.bufferWaits, () => counts().waits);
  follow(metrics.bufferWaitSeconds, () => counts().waitedMs / 1000);
  follow(metrics.quarantinedSegments, () => counts().quarantined);
}

/** A counter that its owner counts. */
function follow(metric: Counter, value: () => number): void {
  Object.assign(metric, {
    collect() {
      metric.reset();
      metric.inc(value());
    },
  });
}

export function collectTransactions(
  metrics: Metrics,
  transactions: { readonly count: number; readonly leftAloneCount: number },
): void {
  collectWith(metrics.transactions, () => metrics.transactions.set(transactions.count));
  follow(metrics.transactionsLeftAlone, () => transactions.leftAloneCount);
}

/** `values` and `used`: by the limits' names. Refusals of each begin at 0, so that the first one is seen as a rise. */
export function collectLimits(
  metrics: Metrics,
  values: Readonly<Record<string, number>>,
  used: () => Readonly<Record<string, number>>,
): void {
  for (const [limit, value] of Object.entries(values)) {
    metrics.limitValue.set({ limit }, value);
    metrics.limitRefusals.inc({ limit }, 0);
  }
  collectWith(metrics.limitUsed, () => {
    for (const [limit, count] of Object.entries(used())) metrics.limitUsed.set({ limit }, count);
  });
}

/** Results that wait for their readers, and what they may take. */
export function collectSpool(
  metrics: Metrics,
  spool: { readonly memoryBytes: number; readonly diskBytes: number },
  limits: { readonly spoolMemoryBytes: number; readonly spoolDiskLimitBytes: number },
): void {
  metrics.spoolLimit.set({ place: "memory" }, limits.spoolMemoryBytes);
  metrics.spoolLimit.set({ place: "disk" }, limits.spoolDiskLimitBytes);
  collectWith(metrics.spool, () => {
    metrics.spool.set({ place: "memory" }, spool.memoryBytes);
    metrics.spool.set({ place: "disk" }, spool.diskBytes);
  });
}
