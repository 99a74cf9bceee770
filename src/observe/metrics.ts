import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type Target, targetKey, targetName } from "../base/target.ts";

/**
 * Every metric, once: name, help, labels. Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming):
 * base units, `_total` on counters. Labels are closed sets; the only open one, `table`, is bounded by `Metrics.table`.
 * Gauges of state are read from their owner when Prometheus scrapes (see collect.ts), so that they cannot drift.
 */

/** Tables with a label of their own; further ones share `other`. Each label costs about 60 series. */
export const TABLE_LABEL_LIMIT = 200;
export const OTHER_TABLES = "other";

/** How rows come in: DoPut to a path, bulk ingest, INSERT through the queue schema, straight into the lake. */
export const INGEST_ROUTES = ["put", "ingest", "insert", "direct"] as const;
export type IngestRoute = (typeof INGEST_ROUTES)[number];

export const FLUSH_PHASES = ["seal", "compact", "write", "guard", "commit", "harden", "remove"] as const;
export type FlushPhase = (typeof FLUSH_PHASES)[number];

/** Seconds. Acknowledgements take milliseconds, flushes of millions of rows a minute. */
const FAST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SLOW_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

function counter<const L extends string>(registry: Registry, name: string, help: string, labelNames: readonly L[]) {
  return new Counter<L>({ name, help, labelNames: [...labelNames], registers: [registry] });
}

function gauge<const L extends string>(registry: Registry, name: string, help: string, labelNames: readonly L[]) {
  return new Gauge<L>({ name, help, labelNames: [...labelNames], registers: [registry] });
}

function histogram<const L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
  buckets: readonly number[] = FAST_BUCKETS,
) {
  return new Histogram<L>({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [registry] });
}

function declareIngest(r: Registry) {
  return {
    ingestRows: counter(r, "eider_ingest_rows_total", "Rows made durable.", ["table", "route"]),
    ingestBytes: counter(r, "eider_ingest_bytes_total", "Arrow body bytes made durable.", ["table", "route"]),
    /** result: appended, duplicate, rejected. */
    ingestBatches: counter(r, "eider_ingest_batches_total", "Batches by what became of them.", [
      "table",
      "route",
      "result",
    ]),
    ingestAck: histogram(r, "eider_ingest_ack_duration_seconds", "From a batch's arrival to its acknowledgement.", [
      "route",
    ]),
    bufferWaits: counter(r, "eider_buffer_waits_total", "Appends that waited for room on disk.", []),
    bufferWaitSeconds: counter(r, "eider_buffer_wait_seconds_total", "Time that appends waited for room on disk.", []),
  };
}

function declareBuffers(r: Registry) {
  return {
    /** state: open, sealed. */
    bufferRows: gauge(r, "eider_buffer_rows", "Rows that are durable and not yet in the lake.", ["table", "state"]),
    bufferBytes: gauge(r, "eider_buffer_bytes", "Arrow bytes of those rows.", ["table", "state"]),
    bufferDiskBytes: gauge(r, "eider_buffer_disk_bytes", "Bytes of a buffer's files.", ["table"]),
    bufferSegments: gauge(r, "eider_buffer_segments", "Segments of a buffer.", ["table", "state"]),
    bufferAge: gauge(r, "eider_buffer_oldest_row_age_seconds", "Age of the oldest row not yet in the lake.", ["table"]),
    bufferDiskLimit: gauge(r, "eider_buffer_disk_limit_bytes", "The setting buffer_disk_limit_bytes.", []),
  };
}

function declareFlush(r: Registry) {
  return {
    /** result: committed, already_committed, failed (rows stay and are flushed again). reason: a SealReason. */
    flushes: counter(r, "eider_flushes_total", "Flushes of a table's waiting segments.", ["table", "reason", "result"]),
    flushPhase: histogram(
      r,
      "eider_flush_phase_duration_seconds",
      "Time of a flush by phase.",
      ["phase"],
      SLOW_BUCKETS,
    ),
    /** stage: in, out. */
    compactionRows: counter(r, "eider_compaction_rows_total", "Rows into and out of compaction.", ["table", "stage"]),
    /** change: inserted, deleted. */
    flushRows: counter(r, "eider_flush_rows_total", "Rows that flushes changed in the lake.", ["table", "change"]),
    flushLastSuccess: gauge(r, "eider_flush_last_success_timestamp_seconds", "Unix time of a table's last flush.", [
      "table",
    ]),
    /** committer: flush, ensure, define, housekeeping, direct (lake/retries.ts); class: now, rebase, final (duck/conflicts.ts). */
    commitConflicts: counter(r, "eider_commit_conflicts_total", "Lake transactions that lost to another one.", [
      "committer",
      "class",
    ]),
    commitPause: gauge(
      r,
      "eider_commit_pause_seconds",
      "Rest after each commit at present, because the catalog is slow.",
      [],
    ),
    commitsInDoubt: counter(
      r,
      "eider_commits_in_doubt_total",
      "COMMITs whose answer was lost and that the watermark settled.",
      [],
    ),
    /** result: done, nothing, conflict, cancelled, failed. */
    housekeepingTasks: counter(r, "eider_housekeeping_tasks_total", "Housekeeping tasks that ended.", [
      "task",
      "result",
    ]),
    housekeepingDuration: histogram(
      r,
      "eider_housekeeping_duration_seconds",
      "Time of a housekeeping task.",
      ["task"],
      SLOW_BUCKETS,
    ),
    housekeepingRunning: gauge(r, "eider_housekeeping_tasks_running", "Housekeeping tasks that run.", []),
    catalogUp: gauge(r, "eider_catalog_up", "1 while the lake's catalog answers, 0 while it does not.", []),
    catalogAway: gauge(r, "eider_catalog_outage_seconds", "How long the lake's catalog has not answered.", []),
    adoptedFiles: gauge(
      r,
      "eider_adopted_files",
      "Parquet files of bulk ingests that the lake has taken as they are, since the start.",
      [],
    ),
    guardRestoredFiles: gauge(
      r,
      "eider_guard_restored_files",
      "Committed files that DuckLake had deleted and the guard has put back, since the start.",
      [],
    ),
    /** outcome: released (had been committed), replayed. */
    recoveredSegments: counter(r, "eider_recovered_segments_total", "Segments found at start.", ["outcome"]),
    quarantinedSegments: counter(r, "eider_quarantined_segments_total", "Damaged segments that were put aside.", []),
  };
}

function declareQueries(r: Registry) {
  return {
    /** result: ok, cancelled, deadline_exceeded, or an error code. */
    queries: counter(r, "eider_queries_total", "Statements by result.", ["result"]),
    queryDuration: histogram(
      r,
      "eider_query_duration_seconds",
      "From a statement's start to its last row.",
      [],
      SLOW_BUCKETS,
    ),
    queriesRunning: gauge(r, "eider_queries_running", "Statements that run.", []),
    queriesWaiting: gauge(r, "eider_queries_waiting", "Statements that wait for a connection.", []),
    /** state: busy, idle. */
    poolConnections: gauge(r, "eider_pool_connections", "Connections for queries over HTTP.", ["state"]),
    poolLimit: gauge(r, "eider_pool_max_connections", "The setting pool_max.", []),
    poolOpened: counter(r, "eider_pool_connections_opened_total", "Connections opened for queries over HTTP.", []),
    poolWaits: counter(r, "eider_pool_waits_total", "Queries over HTTP that waited for a connection.", []),
    poolWaitSeconds: counter(
      r,
      "eider_pool_wait_seconds_total",
      "Time that queries over HTTP waited for a connection.",
      [],
    ),
    /** place: memory, disk. */
    spool: gauge(r, "eider_spool_bytes", "Bytes of results that wait for their readers.", ["place"]),
    resultAhead: gauge(
      r,
      "eider_result_ahead_bytes",
      "What DuckDB may compute ahead for the results that are open.",
      [],
    ),
    resultAheadLimit: gauge(r, "eider_result_ahead_limit_bytes", "The setting result_ahead_bytes.", []),
    spoolLimit: gauge(r, "eider_spool_limit_bytes", "The settings spool_memory_bytes and spool_disk_limit_bytes.", [
      "place",
    ]),
    sessions: gauge(r, "eider_sessions", "Open sessions.", []),
    transactions: gauge(r, "eider_transactions", "Open transactions of sessions.", []),
    transactionsLeftAlone: counter(
      r,
      "eider_transactions_left_alone_total",
      "Transactions rolled back after transaction_idle_seconds.",
      [],
    ),
    resultsLeftAlone: counter(
      r,
      "eider_results_left_alone_total",
      "Results ended because their reader took nothing for statement_idle_seconds.",
      [],
    ),
    sessionsLeftAlone: counter(
      r,
      "eider_sessions_left_alone_total",
      "Sessions ended after session_idle_seconds or session_orphan_seconds.",
      [],
    ),
    /** instance: lake, buffers. */
    duckdbMemory: gauge(r, "eider_duckdb_memory_bytes", "Memory that DuckDB holds.", ["instance"]),
    duckdbCache: gauge(
      r,
      "eider_duckdb_cache_bytes",
      "DuckLake's schemas and statistics within that memory, as DuckDB counts them: schemas take more than twice as much.",
      ["instance"],
    ),
    duckdbTemp: gauge(r, "eider_duckdb_temp_bytes", "Bytes that DuckDB has spilled to disk.", ["instance"]),
  };
}

function declareTransports(r: Registry) {
  return {
    /** code: gRPC status name. */
    flightRequests: counter(r, "eider_flight_requests_total", "Flight calls.", ["method", "command", "code"]),
    flightDuration: histogram(r, "eider_flight_request_duration_seconds", "Time of a Flight call.", [
      "method",
      "command",
    ]),
    flightInFlight: gauge(r, "eider_flight_requests_running", "Flight calls that have begun and not ended.", [
      "method",
    ]),
    /** limit: the setting's name, here and below. */
    limitValue: gauge(r, "eider_limit_value", "The settings that are limits, in their own units.", ["limit"]),
    limitUsed: gauge(r, "eider_limit_used", "How much is taken of those that are counted.", ["limit"]),
    limitRefusals: counter(r, "eider_limit_refusals_total", "Flight calls that a limit refused.", ["limit"]),
    httpRequests: counter(r, "eider_http_requests_total", "HTTP requests.", ["route", "code"]),
    /** reason: no_credentials, password, token, jwt, certificate, throttled. */
    authFailures: counter(r, "eider_auth_failures_total", "Callers that were turned away.", ["reason"]),
    httpDuration: histogram(r, "eider_http_request_duration_seconds", "Time of an HTTP request.", ["route"]),
    buildInfo: gauge(r, "eider_build_info", "1; the labels tell what runs.", [
      "version",
      "duckdb_version",
      "node_version",
    ]),
  };
}

type Declared = ReturnType<typeof declareIngest> &
  ReturnType<typeof declareBuffers> &
  ReturnType<typeof declareFlush> &
  ReturnType<typeof declareQueries> &
  ReturnType<typeof declareTransports>;

export interface Metrics extends Readonly<Declared> {
  readonly registry: Registry;
  /** The value of the label `table`: the table's name, or `other` beyond TABLE_LABEL_LIMIT tables. */
  table(target: Target): string;
  /** Prometheus' text format; runs the collectors. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Metrics in a registry of their own; `labelLimit` bounds the label `table`. */
export function createMetrics(labelLimit = TABLE_LABEL_LIMIT): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const labels = new Map<string, string>();
  return {
    ...declareIngest(registry),
    ...declareBuffers(registry),
    ...declareFlush(registry),
    ...declareQueries(registry),
    ...declareTransports(registry),
    registry,
    table(target) {
      const key = targetKey(target);
      const known = labels.get(key);
      if (known !== undefined) return known;
      if (labels.size >= labelLimit) return OTHER_TABLES;
      labels.set(key, targetName(target));
      return targetName(target);
    },
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

/** Durations are milliseconds in the code and seconds in Prometheus. */
export function observeMs<L extends string>(
  metric: Histogram<L>,
  durationMs: number,
  labels: Partial<Record<L, string>> = {},
): void {
  metric.observe(labels, durationMs / 1000);
}

/** Runs `collect` at each scrape; a collector that fails leaves its metric empty rather than the whole page. */
export function collectWith<L extends string>(metric: Gauge<L>, collect: () => void | Promise<void>): void {
  // prom-client reads `collect` from the metric itself; its types know it in the constructor's options alone.
  Object.assign(metric, {
    async collect() {
      metric.reset();
      try {
        await collect();
      } catch {
        metric.reset();
      }
    },
  });
}
