import duckdb from "@duckdb/node-bindings";
import type { Counter } from "prom-client";
import type { PoolCounts } from "../base/pool-counts.ts";
import type { BufferView } from "../buffer/types.ts";
import type { Config } from "../config/config.ts";
import { limitValues } from "../config/limits.ts";
import { VERSION } from "../version.ts";
import { collectWith, type Metrics } from "./metrics.ts";

/** The owners of what the gauges show. */
export interface GaugeSources {
  readonly config: Config;
  readonly buffers: {
    views(): readonly BufferView[];
    readonly backPressure: Omit<BufferCounts, "quarantined">;
    readonly quarantined: readonly unknown[];
  };
  readonly lake: {
    readonly adoptedFiles: number;
    readonly restoredFiles: number;
    readonly outage: { readonly lengthMs: number } | undefined;
  };
  readonly flusher: { readonly pauseMs: number };
  readonly housekeeper: { readonly tasks: { readonly runningCount: number } };
  readonly queries: { readonly count: number };
  readonly reads: { readonly poolCounts: PoolCounts };
  readonly transactions: TransactionCounts;
  readonly spool: SpoolUse;
  readonly ahead: { readonly takenBytes: number };
  readonly flight: { readonly used: Readonly<Record<string, number>> };
  readonly duckdbUses: () => Promise<readonly DuckdbUse[]>;
}

/** Connects the gauges to the owners of what they show; each is asked when Prometheus scrapes. */
export function collectAll(metrics: Metrics, sources: GaugeSources): void {
  const { config, buffers, lake, flusher, housekeeper, queries, reads, spool, ahead, flight } = sources;
  collectBuffers(metrics, () => buffers.views(), Date.now);
  collectBufferCounts(metrics, () => ({ ...buffers.backPressure, quarantined: buffers.quarantined.length }));
  metrics.bufferDiskLimit.set(config.bufferDiskLimitBytes);
  collectQueries(metrics, { running: () => queries.count, waiting: () => reads.poolCounts.waiting });
  collectPool(metrics, () => reads.poolCounts);
  metrics.poolLimit.set(config.poolMax);
  collectTransactions(metrics, sources.transactions);
  collectDuckdb(metrics, sources.duckdbUses);
  collectWith(metrics.housekeepingRunning, () => metrics.housekeepingRunning.set(housekeeper.tasks.runningCount));
  collectWith(metrics.adoptedFiles, () => metrics.adoptedFiles.set(lake.adoptedFiles));
  collectWith(metrics.guardRestoredFiles, () => metrics.guardRestoredFiles.set(lake.restoredFiles));
  collectWith(metrics.commitPause, () => metrics.commitPause.set(flusher.pauseMs / 1000));
  collectWith(metrics.catalogUp, () => metrics.catalogUp.set(lake.outage ? 0 : 1));
  collectWith(metrics.catalogAway, () => metrics.catalogAway.set((lake.outage?.lengthMs ?? 0) / 1000));
  collectSpool(metrics, spool, config);
  metrics.resultAheadLimit.set(config.resultAheadBytes);
  collectWith(metrics.resultAhead, () => metrics.resultAhead.set(ahead.takenBytes));
  collectLimits(metrics, limitValues(config), () => ({
    ...flight.used,
    spool_disk_limit_bytes: spool.diskBytes,
    buffer_disk_limit_bytes: buffers.views().reduce((sum, { diskBytes }) => sum + diskBytes, 0),
  }));
  const versions = { version: VERSION, duckdb_version: duckdb.library_version(), node_version: process.version };
  metrics.buildInfo.set(versions, 1);
}

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
  /** Of the lake's. */
  readonly cacheBytes?: number;
  readonly tempBytes: number;
}

/** A scrape asks all gauges at the same time: the owners, every open segment among them, are asked once for all three. */
export function collectDuckdb(metrics: Metrics, uses: () => Promise<readonly DuckdbUse[]>): void {
  let asking: Promise<readonly DuckdbUse[]> | undefined;
  const ask = () => {
    asking ??= uses().finally(() => {
      asking = undefined;
    });
    return asking;
  };
  const gauges = [
    [metrics.duckdbMemory, (use: DuckdbUse) => use.memoryBytes],
    [metrics.duckdbCache, (use: DuckdbUse) => use.cacheBytes],
    [metrics.duckdbTemp, (use: DuckdbUse) => use.tempBytes],
  ] as const;
  for (const [gauge, bytesOf] of gauges) {
    collectWith(gauge, async () => {
      for (const use of await ask()) {
        const bytes = bytesOf(use);
        if (bytes !== undefined) gauge.set({ instance: use.instance }, bytes);
      }
    });
  }
}

interface QueryGauges {
  readonly running: () => number;
  readonly waiting: () => number;
}

export function collectQueries(metrics: Metrics, counts: QueryGauges): void {
  collectWith(metrics.queriesRunning, () => metrics.queriesRunning.set(counts.running()));
  collectWith(metrics.queriesWaiting, () => metrics.queriesWaiting.set(counts.waiting()));
}

function collectPool(metrics: Metrics, counts: () => PoolCounts): void {
  collectWith(metrics.poolConnections, () => {
    metrics.poolConnections.set({ state: "busy" }, counts().busy);
    metrics.poolConnections.set({ state: "idle" }, counts().idle);
  });
  follow(metrics.poolOpened, () => counts().opened);
  follow(metrics.poolWaits, () => counts().waits);
  follow(metrics.poolWaitSeconds, () => counts().waitedMs / 1000);
}

interface BufferCounts {
  readonly waits: number;
  readonly waitedMs: number;
  readonly quarantined: number;
}

/** Counters that the buffers keep themselves. */
function collectBufferCounts(metrics: Metrics, counts: () => BufferCounts): void {
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

interface TransactionCounts {
  readonly count: number;
  readonly leftAloneCount: number;
}

function collectTransactions(metrics: Metrics, transactions: TransactionCounts): void {
  collectWith(metrics.transactions, () => metrics.transactions.set(transactions.count));
  follow(metrics.transactionsLeftAlone, () => transactions.leftAloneCount);
}

/** `values` and `used`: by the limits' names. Refusals of each begin at 0, so that the first one is seen as a rise. */
function collectLimits(
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

interface SpoolUse {
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** Results that wait for their readers, and what they may take. */
function collectSpool(
  metrics: Metrics,
  spool: SpoolUse,
  limits: { readonly spoolMemoryBytes: number; readonly spoolDiskLimitBytes: number },
): void {
  metrics.spoolLimit.set({ place: "memory" }, limits.spoolMemoryBytes);
  metrics.spoolLimit.set({ place: "disk" }, limits.spoolDiskLimitBytes);
  collectWith(metrics.spool, () => {
    metrics.spool.set({ place: "memory" }, spool.memoryBytes);
    metrics.spool.set({ place: "disk" }, spool.diskBytes);
  });
}
