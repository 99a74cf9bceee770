#!/usr/bin/env node
// npm run bench:draw: docs/benchmark.svg from a result of the benchmark, by default the newest of bench/results.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as echarts from "echarts";
import { ratiosOf } from "./ratios.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const results = join(root, "bench", "results");
const newest = readdirSync(results)
  .filter((name) => /^\d{4}.*\.json$/.test(name))
  .sort()
  .at(-1);
const path = process.argv[2] ?? join(results, newest);
const { at, machine, measurements } = JSON.parse(readFileSync(path, "utf8"));

const TITLE = "Eider through Flight SQL, as a multiple of DuckDB in process";

/** The title's yardstick; what else Eider is compared with is in docs/speed.md. */
const isDuckdb = ({ yardstick }) => /^(file|ducklake)\./.test(yardstick);

const rows = ratiosOf(measurements).filter(isDuckdb).reverse();
const short = (value) =>
  new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 900, height: 90 + 34 * rows.length });
chart.setOption({
  animation: false,
  backgroundColor: "#ffffff",
  title: {
    text: TITLE,
    subtext: `${at.slice(0, 10)} · ${machine.cores} cores, clients included · DuckDB ${machine.duckdb}, Node ${machine.node} · logarithmic`,
    left: 12,
    textStyle: { fontFamily: "sans-serif", fontSize: 15 },
  },
  grid: { left: 330, right: 150, top: 64, bottom: 24 },
  xAxis: { type: "log", axisLabel: { formatter: (value) => `${value}×` } },
  yAxis: {
    type: "category",
    data: rows.map(({ name, against }) => `${name} / ${against}`),
    axisLabel: { fontFamily: "sans-serif", fontSize: 12, color: "#222222" },
    axisTick: { show: false },
  },
  series: [
    {
      type: "bar",
      barWidth: 16,
      // Bars begin at 1: to the left of it the yardstick is ahead.
      data: rows.map(({ speed, measured, unit }) => ({
        value: speed,
        itemStyle: { color: speed >= 1 ? "#2f7d5b" : "#b8863b" },
        label: {
          show: true,
          position: "right",
          fontFamily: "sans-serif",
          formatter: `${speed.toPrecision(2)}×  (${short(measured.value)} ${unit})`,
        },
      })),
      markLine: {
        symbol: "none",
        silent: true,
        label: { show: false },
        lineStyle: { color: "#444444", type: "solid", width: 1 },
        data: [{ xAxis: 1 }],
      },
    },
  ],
});
const svg = chart.renderToSVGString().replace(/^<svg[^>]*>/, `$&<title>${TITLE}</title>`);
writeFileSync(join(root, "docs", "benchmark.svg"), `${svg}\n`);
chart.dispose();
console.log("docs/benchmark.svg");
