import { describe, expect, test } from "vitest";
import type { BufferView } from "../../../src/buffer/types.ts";
import { collectBuffers, collectDuckdb, collectQueries } from "../../../src/observe/collect.ts";
import { createMetrics, type Metrics, observeMs } from "../../../src/observe/metrics.ts";

/** Base units and what may stand in their place at the end of a name (https://prometheus.io/docs/practices/naming). */
const UNITS = ["seconds", "bytes"];
const COUNTED = [
  "connections",
  "files",
  "rows",
  "segments",
  "running",
  "waiting",
  "sessions",
  "info",
  "up",
  "value",
  "transactions",
  "used",
];

function view(table: string, overrides: Partial<BufferView> = {}): BufferView {
  return {
    target: { schema: "main", table },
    openRows: 3,
    openBytes: 30,
    openSinceMs: 1_000,
    sealedSegments: 2,
    sealedRows: 5,
    sealedBytes: 50,
    oldestMs: 1_000,
    diskBytes: 4096,
    lastSeq: 8,
    ...overrides,
  };
}

/** Sample lines (`name{labels} value`) of metrics whose name begins with `prefix`. */
async function samples(metrics: Metrics, prefix: string): Promise<string[]> {
  const { text } = await metrics.expose();
  return text.split("\n").filter((line) => line.startsWith(prefix));
}

describe("names", () => {
  test("obey Prometheus' grammar and conventions, and each metric has a help text that ends in a full stop", () => {
    const metrics = createMetrics().registry.getMetricsAsArray() as unknown as ReadonlyArray<{
      name: string;
      help: string;
      type: string;
      labelNames: string[];
    }>;
    const own = metrics.filter(({ name }) => name.startsWith("eider_"));
    expect(own.length).toBeGreaterThan(25);
    for (const { name, help, type, labelNames } of own) {
      expect(name).toMatch(/^eider(_[a-z][a-z0-9]*)+$/);
      expect(help, name).toMatch(/\.$/);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      const last = name.split("_").at(-1) ?? "";
      if (type === "histogram") expect(name).toMatch(/_duration_seconds$/);
      if (type === "gauge") expect([...UNITS, ...COUNTED], name).toContain(last);
      for (const label of labelNames) expect(label, name).toMatch(/^[a-z]+(_[a-z]+)*$/);
    }
  });

  test("each Metrics has a registry of its own", async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.bufferWaits.inc();
    expect(await samples(one, "eider_buffer_waits_total")).toEqual(["eider_buffer_waits_total 1"]);
    expect(await samples(other, "eider_buffer_waits_total")).toEqual(["eider_buffer_waits_total 0"]);
  });

  test("process metrics are there, too", async () => {
    expect(await samples(createMetrics(), "process_resident_memory_bytes ")).toHaveLength(1);
  });
});

describe("the label table", () => {
  test("is bounded; tables beyond the limit are one", () => {
    const metrics = createMetrics(2);
    const label = (table: string) => metrics.table({ schema: "main", table });
    expect([label("a"), label("b"), label("c"), label("A"), label("d")]).toEqual([
      "main.a",
      "main.b",
      "other",
      "main.a",
      "other",
    ]);
  });
});

test("durations are given in milliseconds and recorded in seconds", async () => {
  const metrics = createMetrics();
  observeMs(metrics.flushPhase, 1500, { phase: "commit" });
  expect(await samples(metrics, "eider_flush_phase_duration_seconds_sum")).toEqual([
    'eider_flush_phase_duration_seconds_sum{phase="commit"} 1.5',
  ]);
});

describe("collected gauges", () => {
  test("show the buffers as they are at each scrape", async () => {
    const metrics = createMetrics();
    let views = [view("t"), view("u", { oldestMs: undefined, openRows: 0 })];
    collectBuffers(
      metrics,
      () => views,
      () => 3_500,
    );
    expect(await samples(metrics, "eider_buffer_rows")).toEqual([
      'eider_buffer_rows{table="main.t",state="open"} 3',
      'eider_buffer_rows{table="main.t",state="sealed"} 5',
      'eider_buffer_rows{table="main.u",state="open"} 0',
      'eider_buffer_rows{table="main.u",state="sealed"} 5',
    ]);
    expect(await samples(metrics, "eider_buffer_segments")).toContain(
      'eider_buffer_segments{table="main.u",state="open"} 0',
    );
    expect(await samples(metrics, "eider_buffer_oldest_row_age_seconds")).toEqual([
      'eider_buffer_oldest_row_age_seconds{table="main.t"} 2.5',
      'eider_buffer_oldest_row_age_seconds{table="main.u"} 0',
    ]);
    views = [];
    expect(await samples(metrics, "eider_buffer_rows")).toEqual([]);
  });

  test("add up buffers that share a label, and take the oldest age", async () => {
    const metrics = createMetrics(0);
    collectBuffers(
      metrics,
      () => [view("t"), view("u", { oldestMs: 500 })],
      () => 3_500,
    );
    expect(await samples(metrics, "eider_buffer_disk_bytes")).toEqual(['eider_buffer_disk_bytes{table="other"} 8192']);
    expect(await samples(metrics, "eider_buffer_oldest_row_age")).toEqual([
      'eider_buffer_oldest_row_age_seconds{table="other"} 3',
    ]);
  });

  test("a collector that fails leaves its metric empty and the rest of the page whole", async () => {
    const metrics = createMetrics();
    collectDuckdb(metrics, async () => {
      throw new Error("instance is closed");
    });
    collectQueries(metrics, { running: () => 2, waiting: () => 1 });
    expect(await samples(metrics, "eider_duckdb_")).toEqual([]);
    expect(await samples(metrics, "eider_queries_running")).toEqual(["eider_queries_running 2"]);
  });
});
