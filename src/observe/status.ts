import duckdb from "@duckdb/node-bindings";
import type { PoolCounts } from "../base/pool-counts.ts";
import { targetName } from "../base/target.ts";
import type { BufferView } from "../buffer/types.ts";
import type { Config } from "../config/config.ts";
import type { SettingView } from "../config/describe.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { FlushRecord } from "../flush/observer.ts";
import { VERSION } from "../version.ts";
import type { DuckdbUse } from "./collect.ts";
import type { Problem, Problems } from "./problems.ts";
import type { Readiness } from "./readiness.ts";
import type { EndedQuery, RunningQueries, RunningQuery } from "./running-queries.ts";
import type { Throughput, ThroughputSample } from "./throughput.ts";

/** What the status page shows. Times are Unix milliseconds, durations milliseconds, lists newest first. */
export interface Status {
  readonly version: string;
  readonly duckdbVersion: string;
  readonly startedMs: number;
  readonly nowMs: number;
  /** Why the server takes no requests; empty when it does. */
  readonly notReady: readonly string[];
  /** What does not work at present although requests are taken; empty: everything works. */
  readonly degraded: readonly string[];
  readonly limits: StatusLimits;
  readonly memory: { readonly processBytes: number; readonly lakeBytes: number; readonly buffersBytes: number };
  readonly buffers: readonly BufferStatus[];
  readonly flushes: readonly FlushStatus[];
  readonly queries: { readonly running: readonly RunningQuery[]; readonly recent: readonly EndedQuery[] };
  readonly pool: PoolCounts & { readonly max: number };
  /** Oldest first. */
  readonly throughput: readonly ThroughputSample[];
  readonly problems: readonly Problem[];
  readonly settings: readonly SettingView[];
}

/** What starts a flush, and what stops appends. */
export interface StatusLimits {
  readonly rows: number;
  readonly bytes: number;
  readonly ageMs: number;
  readonly diskBytes: number;
}

export interface BufferStatus {
  readonly table: string;
  readonly openRows: number;
  readonly openBytes: number;
  readonly sealedRows: number;
  readonly sealedBytes: number;
  readonly sealedSegments: number;
  /** Of the oldest row that is not in the lake; undefined when there is none. */
  readonly ageMs: number | undefined;
  readonly diskBytes: number;
  /** The flush that is due: running or waiting for its turn, or waiting after a failure. */
  readonly task: FlushTask | undefined;
}

export interface FlushTask {
  readonly state: "running" | "retrying";
  readonly failures: number;
  readonly retryMs: number | undefined;
  readonly error: string | undefined;
}

export type FlushStatus = Omit<FlushRecord, "target"> & { readonly table: string };

export interface StatusSources {
  readonly config: Config;
  readonly startedMs: number;
  readonly readiness: Readiness;
  readonly buffers: { views(): readonly BufferView[] };
  readonly flusher: Flusher;
  readonly queries: RunningQueries;
  readonly reads: { readonly poolCounts: PoolCounts };
  readonly throughput: Throughput;
  readonly problems: Problems;
  readonly settings: readonly SettingView[];
  readonly duckdbUses: () => Promise<readonly DuckdbUse[]>;
}

const SHOWN_FLUSHES = 50;
const SHOWN_QUERIES = 30;

export async function readStatus(sources: StatusSources): Promise<Status> {
  const { config, startedMs, readiness, queries, settings } = sources;
  const nowMs = Date.now();
  const uses = await sources.duckdbUses();
  const memoryOf = (instance: DuckdbUse["instance"]) =>
    uses.filter((use) => use.instance === instance).reduce((sum, use) => sum + use.memoryBytes, 0);
  return {
    version: VERSION,
    duckdbVersion: duckdb.library_version(),
    startedMs,
    nowMs,
    notReady: readiness.notReady,
    degraded: readiness.degraded,
    limits: {
      rows: config.bufferMaxRows,
      bytes: config.bufferMaxBytes,
      ageMs: config.bufferMaxAgeSeconds * 1000,
      diskBytes: config.bufferDiskLimitBytes,
    },
    memory: {
      processBytes: process.memoryUsage.rss(),
      lakeBytes: memoryOf("lake"),
      buffersBytes: memoryOf("buffers"),
    },
    buffers: sources.buffers.views().map((view) => bufferStatus(view, sources.flusher, nowMs)),
    flushes: newest(sources.flusher.recent, SHOWN_FLUSHES).map(({ target, ...flush }) => ({
      ...flush,
      table: targetName(target),
    })),
    queries: { running: queries.running, recent: newest(queries.recent, SHOWN_QUERIES) },
    pool: { ...sources.reads.poolCounts, max: config.poolMax },
    throughput: sources.throughput.samples,
    problems: [...sources.problems.recent].reverse(),
    settings,
  };
}

function bufferStatus(view: BufferView, flusher: Flusher, nowMs: number): BufferStatus {
  const { openRows, openBytes, sealedRows, sealedBytes, sealedSegments, diskBytes, oldestMs } = view;
  return {
    table: targetName(view.target),
    openRows,
    openBytes,
    sealedRows,
    sealedBytes,
    sealedSegments,
    diskBytes,
    ageMs: oldestMs === undefined ? undefined : Math.max(0, nowMs - oldestMs),
    task: sealedSegments === 0 ? undefined : flushTask(flusher.failures(view.target)),
  };
}

function flushTask({ count, error, retryAtMs }: ReturnType<Flusher["failures"]>): FlushTask {
  return { state: retryAtMs === undefined ? "running" : "retrying", failures: count, retryMs: retryAtMs, error };
}

function newest<T>(records: readonly T[], limit: number): T[] {
  return records.slice(-limit).reverse();
}
