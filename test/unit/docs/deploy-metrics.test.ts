import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { Histogram } from "prom-client";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { REPO } from "../../support/repo.ts";

/** Metrics that neither the dashboard nor an alert uses, and why. */
const UNUSED: Readonly<Record<string, string>> = {
  nodejs_active_handles: "for those who debug Node",
  nodejs_active_handles_total: "for those who debug Node",
  nodejs_active_requests: "for those who debug Node",
  nodejs_active_requests_total: "for those who debug Node",
  nodejs_active_resources: "for those who debug Node",
  nodejs_active_resources_total: "for those who debug Node",
  nodejs_eventloop_lag_max_seconds: "the 99th percentile tells more",
  nodejs_eventloop_lag_mean_seconds: "the 99th percentile tells more",
  nodejs_eventloop_lag_min_seconds: "the 99th percentile tells more",
  nodejs_eventloop_lag_p50_seconds: "the 99th percentile tells more",
  nodejs_eventloop_lag_p90_seconds: "the 99th percentile tells more",
  nodejs_eventloop_lag_seconds: "the 99th percentile tells more",
  nodejs_eventloop_lag_stddev_seconds: "the 99th percentile tells more",
  nodejs_external_memory_bytes: "DuckDB's memory, seen from JavaScript: the resident memory counts it right",
  nodejs_heap_size_total_bytes: "what is used of it tells more",
  nodejs_heap_space_size_available_bytes: "for those who debug Node",
  nodejs_heap_space_size_total_bytes: "for those who debug Node",
  nodejs_heap_space_size_used_bytes: "for those who debug Node",
  nodejs_version_info: "eider_build_info has it",
  process_cpu_system_seconds_total: "in process_cpu_seconds_total",
  process_cpu_user_seconds_total: "in process_cpu_seconds_total",
  process_heap_bytes: "in process_resident_memory_bytes",
  process_virtual_memory_bytes: "address space, not memory",
};

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

const read = (path: string) => readFileSync(join(REPO, "deploy", path), "utf8");
const rules: Rule[] = parse(read("prometheus/eider-alerts.yml")).groups.flatMap(
  ({ rules }: { rules: Rule[] }) => rules,
);
const panels: { title: string; targets?: { expr: string }[] }[] = JSON.parse(
  read("grafana/eider-dashboard.json"),
).panels;

const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  // Grafana puts a duration in place of it; the other variables stand in strings.
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [title, expr.replaceAll("$__rate_interval", "5m")] as const),
  ),
];

/** Names that an expression selects; throws for what is no PromQL. */
function metricsOf(expr: string): string[] {
  const names: string[] = [];
  parser.parse(expr).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`${expr}: not PromQL from character ${node.from}`);
      if (node.name === "VectorSelector") {
        const name = /^\w+/.exec(expr.slice(node.from, node.to))?.[0];
        if (name) names.push(name);
      }
    },
  });
  return names;
}

function exposed(): { names: Set<string>; base: Map<string, string> } {
  const base = new Map<string, string>();
  const { registry } = createMetrics();
  for (const metric of registry.getMetricsAsArray()) {
    const { name } = metric;
    base.set(name, name);
    if (metric instanceof Histogram) {
      for (const suffix of ["_bucket", "_sum", "_count"]) base.set(name + suffix, name);
    }
  }
  return { names: new Set(base.values()), base };
}

test.each(expressions)("%s: %s", (_title, expr) => {
  const { base } = exposed();
  for (const name of metricsOf(expr)) if (name !== "up") expect([...base.keys()]).toContain(name);
});

test("each metric is used by the dashboard or an alert, or is on the list with its reason", () => {
  const { names, base } = exposed();
  const used = new Set(expressions.flatMap(([, expr]) => metricsOf(expr)).map((name) => base.get(name)));
  const missing = [...names].filter((name) => !used.has(name) && UNUSED[name] === undefined);
  expect(missing, "add a panel to scripts/dashboard.mjs (npm run docs), an alert, or a reason").toEqual([]);
  expect(Object.keys(UNUSED).filter((name) => used.has(name))).toEqual([]);
});

test("what is no PromQL is found", () => {
  expect(() => metricsOf("sum(rate(x[5m])")).toThrow("not PromQL");
  expect(() => metricsOf("sum by () rate(x[5m]) by")).toThrow("not PromQL");
});

test("each alert has a severity and says what to do", () => {
  expect(rules.length).toBeGreaterThan(10);
  for (const { alert, labels, annotations } of rules) {
    expect([alert, labels["severity"]]).toEqual([alert, expect.stringMatching(/^(warning|critical)$/)]);
    expect(annotations).toEqual({ summary: expect.any(String), description: expect.any(String) });
  }
  expect(readdirSync(join(REPO, "deploy", "prometheus")).sort()).toEqual(["eider-alerts.yml", "prometheus.yml"]);
});
