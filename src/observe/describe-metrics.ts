import type { MetricObjectWithValues, MetricValue } from "prom-client";
import { createMetrics } from "./metrics.ts";

const OWN = "eider_";

/** docs/metrics.md. */
export async function metricsReference(): Promise<string> {
  const { registry } = createMetrics();
  const metrics = await registry.getMetricsAsJSON();
  const row = ({ name, type, help }: MetricObjectWithValues<MetricValue<string>>) => {
    const labels = Reflect.get(registry.getSingleMetric(name) ?? {}, "labelNames") as readonly string[] | undefined;
    return `| \`${name}\` | ${type} | ${(labels ?? []).map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  };
  return `${[
    "# Metrics",
    "",
    "Made from the code by `npm run docs`. `GET /metrics` answers in Prometheus' text format. The label `table` has the names of",
    "200 tables at most, further ones share `other`. Node's process and its event loop show as `process_…` and `nodejs_…`.",
    "A dashboard and alerts: `deploy/grafana`, `deploy/prometheus`.",
    "",
    "| metric | type | labels | |",
    "| --- | --- | --- | --- |",
    ...metrics.filter(({ name }) => name.startsWith(OWN)).map(row),
  ].join("\n")}\n`;
}
