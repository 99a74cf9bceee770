#!/usr/bin/env node
// npm run bench: Eider and, in the same run, DuckDB's Python package doing the same work in its own process, and the same
// clients at a server that does nothing.
//   node bench/run.mjs [--rows 2000000] [--seconds 5] [--repeat 3] [--only bulk,clients,select,flush]
//     [--warm-up 2] [--flush-rows 1000000] [--out FILE]
// Results go to bench/results/ as JSON; trust the ratios, not the figures: the machine may be busy. Needs a build.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, platform, release, tmpdir, totalmem } from "node:os";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setupExtensions } from "../scripts/setup-extensions.mjs";
import { askPython } from "./ask-python.mjs";
import { ratiosOf } from "./ratios.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.EIDER_DIST ?? "dist";
const { startEider } = await import(new URL(`../${dist}/test/support/start-eider.js`, import.meta.url));

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "2000000" },
    seconds: { type: "string", default: "5" },
    repeat: { type: "string", default: "3" },
    only: { type: "string", default: "bulk,clients,select,flush" },
    "warm-up": { type: "string", default: "2" },
    "flush-rows": { type: "string", default: "1000000" },
    out: { type: "string" },
  },
});
const extensionDir = await setupExtensions("ducklake");
const scratch = mkdtempSync(join(tmpdir(), "eider-bench-"));

/** See idle-server.mjs. */
async function measureIdleServer(common) {
  const server = spawn(process.execPath, [join(root, "bench", "idle-server.mjs")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const lines = createInterface({ input: server.stdout });
    const { value: flightUri } = await lines[Symbol.asyncIterator]().next();
    if (flightUri === undefined) throw new Error("the idle server did not start");
    const input = { ...common, flightUri, storesNothing: true };
    return (await askPython("eider_bench.py", input)).measurements;
  } finally {
    server.kill();
  }
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

function printTable(measurements) {
  const number = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));
  const lines = [["", "Eider", "p99 ms", "yardstick", "ratio"]];
  for (const { name, against, unit, measured, compared } of ratiosOf(measurements)) {
    const p99 = measured.p99Ms === undefined ? "" : number(measured.p99Ms);
    const ratio = (measured.value / compared.value).toFixed(2);
    const figures = [`${number(measured.value)} ${unit}`, p99, `${number(compared.value)} ${unit}`, ratio];
    lines.push([`${name} / ${against}`, ...figures]);
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
  const yardstick = await askPython("yardstick.py", common);
  const idle = await measureIdleServer(common);
  const running = await startEider({ settings: { logLevel: "warn" } });
  let own;
  try {
    own = await askPython("eider_bench.py", { ...common, flightUri: running.flightUri, httpUrl: running.httpUrl });
  } catch (error) {
    console.error(running.logs);
    throw error;
  } finally {
    await running.stop();
    await running[Symbol.asyncDispose]();
  }
  const measurements = { ...yardstick.measurements, ...idle, ...own.measurements };
  const at = new Date().toISOString();
  const result = { at, machine: describeMachine(yardstick.versions), options: common, measurements };
  delete result.options.scratch;
  delete result.options.extension;
  const path = options.out ?? join(root, "bench", "results", `${at.slice(0, 16).replaceAll(":", "")}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  printTable(measurements);
  console.log(`\n${relative(process.cwd(), path)}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
