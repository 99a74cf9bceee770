#!/usr/bin/env node
// npm run bench:scale: what a row costs as a table grows, as tables become more, and as segments wait: flat, or not.
//   node bench/scale.mjs [--only rows,keyed,tables,segments] [--sizes 1000000,10000000,100000000] [--keyed-sizes 1000000,10000000]
//     [--tables 1,10,100,1000] [--segments 1,10,100,1000] [--batches 4000]
// Results go to bench/results/ as JSON. Needs a build.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { askPython } from "./ask-python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.EIDER_DIST ?? "dist";
const { startEider } = await import(new URL(`../${dist}/test/support/start-eider.js`, import.meta.url));

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "rows,keyed,tables,segments" },
    sizes: { type: "string", default: "1000000,10000000,100000000" },
    "keyed-sizes": { type: "string", default: "1000000,10000000" },
    tables: { type: "string", default: "1,10,100,1000" },
    segments: { type: "string", default: "1,10,100,1000" },
    batches: { type: "string", default: "4000" },
  },
});
const numbers = (text) => text.split(",").map(Number);

const ROWS_PER_BATCH = 100;
/** Rows written to a table that has grown. */
const PROBE_ROWS = 100_000;
/** Nothing but a command flushes: what a trigger does in between would be another measurement. */
const BY_COMMAND = {
  logLevel: "error",
  bufferMaxAgeSeconds: 86_400,
  bufferMaxRows: 1_000_000_000,
  bufferMaxBytes: 1_000_000_000_000,
  housekeepingIntervalSeconds: 86_400,
};

function ask(uri, step, input = {}) {
  return askPython("scale.py", { uri, step, ...input });
}

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** The process's CPU so far, and what of it is in memory. */
function usageOf(eider) {
  const fields = readFileSync(`/proc/${eider.process.pid}/stat`, "utf8").split(") ").at(-1).split(" ");
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND, residentMb: eider.residentMb };
}

async function onServer(given, work) {
  const eider = await startEider(given);
  try {
    return await work(eider);
  } finally {
    await eider[Symbol.asyncDispose]();
  }
}

async function timed(eider, work) {
  const [before, started] = [usageOf(eider), performance.now()];
  const result = await work();
  const after = usageOf(eider);
  const seconds = (performance.now() - started) / 1000;
  return { result, seconds, cpuSeconds: after.cpuSeconds - before.cpuSeconds, residentMb: after.residentMb };
}

/** A table of `size` rows, grown from the last size: what 100,000 more rows, or upserts, cost. */
async function measureSizes(sizes, keyed) {
  return onServer({ settings: BY_COMMAND }, async (eider) => {
    const table = keyed ? "keyed" : "plain";
    const results = [];
    let first = 0;
    for (const size of sizes) {
      await ask(eider.flightUri, "grow", { table, first, end: size, keyed });
      // Twice: the first finds no warm cache.
      for (let run = 0; run < 2; run++) {
        const input = { table, size, count: PROBE_ROWS, keyed };
        const { result, cpuSeconds, residentMb } = await timed(eider, () =>
          ask(eider.flightUri, "write_to_grown", input),
        );
        if (run === 1) results.push({ size, ...result, cpuUsPerRow: (cpuSeconds * 1e6) / PROBE_ROWS, residentMb });
      }
      first = size;
      print(keyed ? "keyed" : "rows", results.at(-1));
    }
    return results;
  });
}

/** The same batches over ever more tables. */
async function measureTables(counts) {
  const batches = Number(options.batches);
  const results = [];
  for (const tables of counts) {
    const [written, flushed] = await onServer({ settings: BY_COMMAND }, async (eider) => {
      await ask(eider.flightUri, "create_tables", { tables });
      return [
        await timed(eider, () => ask(eider.flightUri, "put_over_tables", { tables, batches })),
        await timed(eider, () => ask(eider.flightUri, "flush")),
      ];
    });
    results.push({
      tables,
      batchesPerSecond: written.result.value,
      ackP50Ms: written.result.p50Ms,
      ackP99Ms: written.result.p99Ms,
      writeCpuUsPerRow: (written.cpuSeconds * 1e6) / (batches * ROWS_PER_BATCH),
      residentMb: written.residentMb,
      flushSeconds: flushed.result.seconds,
      flushCpuMsPerTable: (flushed.cpuSeconds * 1000) / tables,
    });
    print("tables", results.at(-1));
  }
  return results;
}

/** A table whose flushes fail until so many segments wait; then a server that can flush starts on its folder. */
async function measureSegments(counts) {
  const results = [];
  for (const segments of counts) {
    const dataDir = mkdtempSync(join(tmpdir(), "eider-scale-"));
    try {
      results.push(await measureWaiting(dataDir, segments));
      print("segments", results.at(-1));
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
  return results;
}

async function measureWaiting(dataDir, segments) {
  const failing = {
    dataDir,
    settings: { ...BY_COMMAND, logLevel: "fatal", bufferMaxRows: ROWS_PER_BATCH },
    failpoints: { "commit.before_begin": { action: "error" } },
  };
  const written = await onServer(failing, async (eider) => {
    await ask(eider.flightUri, "create_tables", { tables: 1 });
    const result = await ask(eider.flightUri, "put_and_seal", { segments });
    await eider.kill();
    return result;
  });
  const started = performance.now();
  return onServer({ dataDir, settings: BY_COMMAND }, async (eider) => {
    const startSeconds = (performance.now() - started) / 1000;
    const { seconds } = await ask(eider.flightUri, "flush");
    const { rows } = await ask(eider.flightUri, "count_rows", { table: "t0" });
    if (rows !== segments * ROWS_PER_BATCH) throw new Error(`${rows} rows in the lake for ${segments} segments`);
    return { segments, ackP50Ms: written.p50Ms, ackP99Ms: written.p99Ms, startSeconds, flushSeconds: seconds };
  });
}

function print(part, row) {
  const figures = Object.entries(row).map(
    ([name, value]) => `${name} ${Number(value.toPrecision(3)).toLocaleString("en")}`,
  );
  console.log(`${part.padEnd(9)}${figures.join("  ")}`);
}

const PARTS = {
  rows: () => measureSizes(numbers(options.sizes), false),
  keyed: () => measureSizes(numbers(options["keyed-sizes"]), true),
  tables: () => measureTables(numbers(options.tables)),
  segments: () => measureSegments(numbers(options.segments)),
};

const results = {};
for (const part of options.only.split(",")) results[part] = await PARTS[part]();
const at = new Date().toISOString();
const machine = {
  cpu: cpus()[0]?.model.trim(),
  cores: cpus().length,
  node: process.version,
  commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim(),
};
mkdirSync(join(root, "bench", "results"), { recursive: true });
const path = join(root, "bench", "results", `scale-${at.slice(0, 16).replace(":", "")}.json`);
writeFileSync(path, `${JSON.stringify({ at, machine, options, results }, undefined, 2)}\n`);
console.log(path);
