import { expect, test } from "vitest";
import type { FlushRecord } from "../../../src/flush/observer.ts";
import { createMetrics, type Metrics } from "../../../src/observe/metrics.ts";
import { flightObserver, flushObserver, ingestObserver } from "../../../src/observe/observers.ts";

const TARGET = { schema: "main", table: "t" };

async function samples(metrics: Metrics, pattern: RegExp): Promise<string[]> {
  return (await metrics.expose()).text.split("\n").filter((line) => pattern.test(line));
}

test("rows and bytes count what was stored; batches and their time what was acknowledged", async () => {
  const metrics = createMetrics();
  const observer = ingestObserver(metrics);
  observer.wrote(TARGET, "put", "appended", 100, 4_000, 20);
  observer.wrote(TARGET, "put", "duplicate", 100, 4_000, 10);
  observer.wrote(TARGET, "put", "rejected", 100, 4_000, 500);
  expect(await samples(metrics, /^eider_ingest_(rows|bytes|batches|ack_duration_seconds_(sum|count))/)).toEqual([
    'eider_ingest_rows_total{table="main.t",route="put"} 100',
    'eider_ingest_bytes_total{table="main.t",route="put"} 4000',
    'eider_ingest_batches_total{table="main.t",route="put",result="appended"} 1',
    'eider_ingest_batches_total{table="main.t",route="put",result="duplicate"} 1',
    'eider_ingest_batches_total{table="main.t",route="put",result="rejected"} 1',
    'eider_ingest_ack_duration_seconds_sum{route="put"} 0.03',
    'eider_ingest_ack_duration_seconds_count{route="put"} 2',
  ]);
});

test("a flush counts its rows once it is in the lake", async () => {
  const metrics = createMetrics();
  const observer = flushObserver(metrics, () => 5_000);
  const record: FlushRecord = {
    target: TARGET,
    reason: "age",
    segments: 2,
    rowsIn: 10,
    rowsOut: 7,
    rowsInserted: 6,
    rowsDeleted: 1,
    bytes: 100,
    startedMs: 0,
    durationMs: 30,
    phasesMs: { compact: 10, commit: 20 },
    alreadyCommitted: false,
    error: undefined,
  };
  observer.flushed(record);
  observer.failed(TARGET, "age", "lake_unavailable");
  observer.recovered("replayed", 3);
  expect(
    await samples(metrics, /^eider_(flushes|compaction|flush_rows|flush_last|flush_phase.*sum|recovered)/),
  ).toEqual([
    'eider_flushes_total{table="main.t",reason="age",result="committed"} 1',
    'eider_flushes_total{table="main.t",reason="age",result="failed"} 1',
    'eider_flush_phase_duration_seconds_sum{phase="compact"} 0.01',
    'eider_flush_phase_duration_seconds_sum{phase="commit"} 0.02',
    'eider_compaction_rows_total{table="main.t",stage="in"} 10',
    'eider_compaction_rows_total{table="main.t",stage="out"} 7',
    'eider_flush_rows_total{table="main.t",change="inserted"} 6',
    'eider_flush_rows_total{table="main.t",change="deleted"} 1',
    'eider_flush_last_success_timestamp_seconds{table="main.t"} 5',
    'eider_recovered_segments_total{outcome="replayed"} 3',
  ]);
});

test("Flight calls by method, command and code", async () => {
  const metrics = createMetrics();
  const observer = flightObserver(metrics);
  observer.request("DoGet", "CommandStatementQuery", "OK", 250, undefined);
  observer.inFlight("DoGet", 2);
  observer.sessions(3);
  observer.refused("max_sessions");
  observer.leftAlone("session");
  expect(
    await samples(metrics, /^eider_(limit_refusals|flight_requests|flight_request_duration_seconds_sum|sessions)/),
  ).toEqual([
    "eider_sessions 3",
    "eider_sessions_left_alone_total 1",
    'eider_flight_requests_total{method="DoGet",command="CommandStatementQuery",code="OK"} 1',
    'eider_flight_request_duration_seconds_sum{method="DoGet",command="CommandStatementQuery"} 0.25',
    'eider_flight_requests_running{method="DoGet"} 2',
    'eider_limit_refusals_total{limit="max_sessions"} 1',
  ]);
});
