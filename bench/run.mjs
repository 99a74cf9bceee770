#!/usr/bin/env node
// npm run bench: Eider and, in the same run, DuckDB's Python package doing the same work in its own process.
//   node bench/run.mjs [--rows 2000000] [--seconds 5] [--repeat 3] [--only bulk,clients,select,flush]
//     [--warm-up 2] [--flush-rows 1000000]
// Results go to bench/results/ as JSON; trust the ratios, not the figures: the machine may be busy. Needs a build.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, platform, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setupPython } from "../scripts/setup-python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.EIDER_DIST ?? "dist";
const { startEider } = await import(new URL(`../${dist}/test/support/start-eider.js`, import.meta.url));
const { loadConfig } = await import(new URL(`../${dist}/src/config/load.js`, import.meta.url));

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "2000000" },
    seconds: { type: "string", default: "5" },
    repeat: { type: "string", default: "3" },
    only: { type: "string", default: "bulk,clients,select,flush" },
    "warm-up": { type: "string", default: "2" },
    "flush-rows": { type: "string", default: "1000000" },
  },
});
const python = process.env.EIDER_PYTHON ?? setupPython();
execFileSync(process.execPath, [join(root, "scripts", "fetch-extensions.mjs"), "ducklake"], {
  stdio: ["ignore", 2, 2],
});
const { extensionDir } = loadConfig({ flags: { values: {}, unknown: [] }, env: process.env, cwd: root }).config;
const scratch = mkdtempSync(join(tmpdir(), "eider-bench-"));

function runPython(script, input) {
  const output = execFileSync(python, [join(root, "bench", script), JSON.stringify(input)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  return JSON.parse(output.trimEnd().split("\n").at(-1));
}

function describeMachine(versions) {
  const [cpu] = cpus();
  const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return {
    cpu: cpu?.model.trim(),
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.version,
    eider: packageJson.version,
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim(),
    ...versions,
  };
}

/** What to divide by what: [name, unit, Eider's measurement, the yardstick's]; `ms` is better when lower. */
const RATIOS = [
  ["bulk ingest, durable / DuckDB file", "rows/s", "bulk.durable", "file.bulk"],
  ["bulk ingest, in the lake / DuckLake", "rows/s", "bulk.lake", "ducklake.bulk"],
  ["16 clients, ADBC ingest calls / DuckDB file", "batches/s", "clients.ingest", "file.clients"],
  ["16 clients, DoPut one batch a call / DuckDB file", "batches/s", "clients.put", "file.clients"],
  ["16 clients, open streams / DuckDB file", "batches/s", "clients.stream", "file.clients"],
  ["16 clients, pipelined / DuckDB file", "batches/s", "clients.pipelined", "file.clients"],
  ["16 clients, open streams / DuckLake", "batches/s", "clients.stream", "ducklake.clients"],
  ["SELECT * / DuckLake to Arrow", "rows/s", "select.all", "ducklake.select"],
  ["SELECT 1, p50 / DuckDB", "ms", "select.one", "file.selectOne"],
  ["SELECT during ingest, p99 / idle", "ms", "reads.busy", "reads.idle"],
  ["8 clients, single-row INSERT / DuckLake batches", "rows/s", "clients.insert", "ducklake.clients"],
  ["flush, append-only / INSERT by hand", "rows/s", "flush.plain", "ducklake.flush.plain"],
  ["flush, upserts into 10 times as many / by hand", "rows/s", "flush.keyed", "ducklake.flush.keyed"],
];

function printTable(measurements) {
  const number = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));
  const lines = [["", "Eider", "p99 ms", "yardstick", "ratio"]];
  for (const [name, unit, own, other] of RATIOS) {
    const [left, right] = [measurements[own], measurements[other]];
    if (left === undefined || right === undefined) continue;
    const p99 = left.p99Ms === undefined ? "" : number(left.p99Ms);
    const ratio = (left.value / right.value).toFixed(2);
    lines.push([name, `${number(left.value)} ${unit}`, p99, `${number(right.value)} ${unit}`, ratio]);
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  for (const line of lines) {
    console.log(
      line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  "),
    );
  }
  const files = measurements["clients.files"];
  if (files !== undefined) console.log(`Parquet files after ${files.batches} batches: ${files.value}`);
}

try {
  const common = {
    rows: Number(options.rows),
    seconds: Number(options.seconds),
    repeat: Number(options.repeat),
    warmUpSeconds: Number(options["warm-up"]),
    flushRows: Number(options["flush-rows"]),
    only: options.only.split(","),
    scratch,
    extension: join(extensionDir, "ducklake.duckdb_extension"),
  };
  const yardstick = runPython("yardstick.py", common);
  const running = await startEider({ settings: { logLevel: "warn" } });
  let own;
  try {
    own = runPython("eider_bench.py", { ...common, flightUri: running.flightUri, httpUrl: running.httpUrl });
  } catch (error) {
    console.error(running.logs);
    throw error;
  } finally {
    await running.stop();
    await running[Symbol.asyncDispose]();
  }
  const measurements = { ...yardstick.measurements, ...own.measurements };
  const at = new Date().toISOString();
  const result = { at, machine: describeMachine(yardstick.versions), options: common, measurements };
  delete result.options.scratch;
  delete result.options.extension;
  const folder = join(root, "bench", "results");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${at.slice(0, 16).replaceAll(":", "")}.json`);
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  printTable(measurements);
  console.log(`\n${path.slice(root.length)}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
