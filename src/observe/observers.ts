import type { Observer as FlightObserver } from "../flight/observer.ts";
import type { FlushObserver } from "../flush/observer.ts";
import type { HousekeepingObserver } from "../housekeeping/housekeeper.ts";
import type { IngestObserver } from "../ingest/observer.ts";
import { type Metrics, observeMs } from "./metrics.ts";

/** What the parts of the system report, told to Prometheus. The parts know these interfaces and no metrics library. */

export function ingestObserver(metrics: Metrics): IngestObserver {
  return {
    wrote(target, route, result, rows, bytes, acknowledgementMs) {
      const table = metrics.table(target);
      metrics.ingestBatches.inc({ table, route, result });
      if (result === "rejected") return;
      observeMs(metrics.ingestAck, acknowledgementMs, { route });
      // A duplicate was acknowledged and not stored.
      if (result === "duplicate") return;
      metrics.ingestRows.inc({ table, route }, rows);
      metrics.ingestBytes.inc({ table, route }, bytes);
    },
  };
}

/** `nowMs`: Unix time. */
export function flushObserver(metrics: Metrics, nowMs: () => number): FlushObserver {
  return {
    flushed(record) {
      const table = metrics.table(record.target);
      const { reason, phasesMs } = record;
      metrics.flushes.inc({ table, reason, result: record.alreadyCommitted ? "already_committed" : "committed" });
      metrics.flushLastSuccess.set({ table }, nowMs() / 1000);
      metrics.compactionRows.inc({ table, stage: "in" }, record.rowsIn);
      metrics.compactionRows.inc({ table, stage: "out" }, record.rowsOut);
      metrics.flushRows.inc({ table, change: "inserted" }, record.rowsInserted);
      metrics.flushRows.inc({ table, change: "deleted" }, record.rowsDeleted);
      for (const [phase, durationMs] of Object.entries(phasesMs)) observeMs(metrics.flushPhase, durationMs, { phase });
    },
    failed: (target, reason) => metrics.flushes.inc({ table: metrics.table(target), reason, result: "failed" }),
    inDoubt: () => metrics.commitsInDoubt.inc(),
    recovered: (outcome, count) => metrics.recoveredSegments.inc({ outcome }, count),
  };
}

export function flightObserver(metrics: Metrics): FlightObserver {
  return {
    request(method, command, code, durationMs) {
      metrics.flightRequests.inc({ method, command, code });
      observeMs(metrics.flightDuration, durationMs, { method, command });
    },
    inFlight: (method, count) => metrics.flightInFlight.set({ method }, count),
    sessions: (count) => metrics.sessions.set(count),
    leftAlone: (what) => (what === "session" ? metrics.sessionsLeftAlone : metrics.resultsLeftAlone).inc(),
    refused: (limit) => metrics.limitRefusals.inc({ limit }),
  };
}

export function housekeepingObserver(metrics: Metrics): HousekeepingObserver {
  return {
    ended(task, result, durationMs) {
      metrics.housekeepingTasks.inc({ task, result });
      observeMs(metrics.housekeepingDuration, durationMs, { task });
    },
  };
}
