import { expect, test } from "vitest";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { Throughput } from "../../../src/observe/throughput.ts";

test("rates are what the counters gained, per second, and old ones are forgotten", async () => {
  const metrics = createMetrics();
  let nowMs = 1_000_000;
  using throughput = new Throughput(metrics, () => nowMs);
  metrics.ingestRows.inc({ table: "main.a", route: "put" }, 1000);
  await throughput.sample();
  expect(throughput.samples).toEqual([]);
  nowMs += 2000;
  metrics.ingestRows.inc({ table: "main.a", route: "put" }, 300);
  metrics.ingestRows.inc({ table: "main.b", route: "ingest" }, 100);
  metrics.ingestBytes.inc({ table: "main.b", route: "ingest" }, 8000);
  metrics.flushRows.inc({ table: "main.a", change: "inserted" }, 60);
  metrics.flushRows.inc({ table: "main.a", change: "deleted" }, 40);
  metrics.queries.inc({ result: "ok" }, 5);
  metrics.queries.inc({ result: "cancelled" });
  await throughput.sample();
  expect(throughput.samples).toEqual([{ atMs: nowMs, rowsIn: 200, rowsOut: 30, bytesIn: 4000, queries: 3 }]);
  nowMs += 600_001;
  await throughput.sample();
  expect(throughput.samples).toMatchObject([{ atMs: nowMs, rowsIn: 0 }]);
});
