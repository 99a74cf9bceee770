#!/usr/bin/env node
// npm run soak -- --minutes 30: every way in and readers beside them on one server, whose memory is sampled; at the end
// DuckDB's Python package judges that each acknowledged row is in the lake once. The last line is `soak: passed` or
// `soak: failed`. Needs a build.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setupPython } from "./setup-python.mjs";

const SAMPLE_MS = 5_000;
/** So often nothing is asked of the server for a while, */
const REST_EVERY_MS = 120_000;
/** in which it flushes, and DuckDB's allocator gives back what it keeps for ten seconds; then its memory is judged. */
const REST_MS = 20_000;
/** Samples between two lines of what is in memory. */
const SAMPLES_PER_LINE = 12;
/** Operations of each writer between two looks at the clock. */
const OPERATIONS = 20;
/** The only table that grows fast, and is read whole; by so many rounds of the writers it is left for a new one, so that
 * reads stay of one size. Those that were left are judged with the others. */
const LARGE_ROUTE = "ingest_large";
const ROUNDS_PER_TABLE = 8;
/** The first part of the run fills caches; memory is judged after it. */
const WARM_UP_SHARE = 0.3;
/**
 * Growth from which the run has failed, MB per hour, once it is longer than a short one: twice the error that the noise of
 * ten samples leaves, above what was measured.
 */
const SLOPE_LIMIT_MB_PER_HOUR = 250;
const SLOPE_MINUTES = 20;
const MEMORY_PARTS = [
  ["DuckDB", "eider_duckdb_memory_bytes"],
  ["JavaScript", "nodejs_heap_size_used_bytes"],
  ["its buffers", "nodejs_external_memory_bytes"],
];
/** As many hash joins, of a few rows each, fill DuckDB's queues of what it may evict (see `fillQueues`). */
const FILLING_STATEMENTS = 100;
const JOINS_PER_STATEMENT = 100;
const READERS = 3;
const QUERY_MEMORY_MB = 512;

const { values } = parseArgs({ options: { minutes: { type: "string", default: "30" } } });
const minutes = Number(values.minutes);
const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.EIDER_DIST ?? "dist";
process.env.EIDER_PYTHON ??= setupPython();
const { startEider } = await import(new URL(`../${dist}/test/support/start-eider.js`, import.meta.url));
const { PythonAgent } = await import(new URL(`../${dist}/test/support/python-agent.js`, import.meta.url));
const { connect } = await import(new URL(`../${dist}/src/index.js`, import.meta.url));
const { loadConfig } = await import(new URL(`../${dist}/src/config/load.js`, import.meta.url));
const { extensionDir } = loadConfig({ flags: { values: {}, unknown: [] }, env: process.env, cwd: root }).config;

const folder = mkdtempSync(join(tmpdir(), "eider-soak-"));
const agent = new PythonAgent(join(root, "test", "crash", "python", "agent.py"));
const problems = [];
const queries = { flight: 0, http: 0, retried: 0 };
const samples = [];
let acknowledged = 0;
let largeTable = LARGE_ROUTE;
let isOver = false;
/** What is in memory at the end of each rest. */
const rests = [];
/** Resolves when the rest that is on, if any, is over. */
let rest = Promise.resolve();

try {
  const eider = await startEider({
    dataDir: folder,
    settings: {
      bufferMaxAgeSeconds: 2,
      housekeepingIntervalSeconds: 15,
      logLevel: "warn",
      // DuckDB keeps what it has read up to this: without it the growth of that cache hides a leak.
      queryMemoryMb: QUERY_MEMORY_MB,
    },
  });
  console.log(`soak: ${minutes} minutes on ${eider.flightUri}`);
  await fillQueues(eider);
  const startedMs = Date.now();
  const untilMs = startedMs + minutes * 60_000;
  await agent.ask({ do: "begin", routes: null });
  acknowledged += countOf(await agent.ask({ do: "write", uri: eider.flightUri, count: 1 }));
  const sampling = sample(eider, startedMs);
  const reading = Promise.all([
    ...Array.from({ length: READERS }, () => read(() => readByFlight(eider))),
    read(() => readByHttp(eider)),
  ]);
  for (let round = 1; Date.now() < untilMs; round++) {
    if (Date.now() - startedMs > (rests.length + 1) * REST_EVERY_MS) {
      rest = restAndMeasure(eider, startedMs);
      await rest;
    }
    const next = round % ROUNDS_PER_TABLE === 0 ? await agent.ask({ do: "turn", route: LARGE_ROUTE }) : largeTable;
    acknowledged += countOf(await agent.ask({ do: "write", uri: eider.flightUri, count: OPERATIONS }));
    // Not before it is there.
    largeTable = next;
  }
  isOver = true;
  await Promise.all([sampling, reading]);
  const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  const exit = await eider.stop();
  if (exit.code !== 0) problems.push(`the server ended with ${exit.signal ?? exit.code}`);
  for (const line of eider.logs
    .split("\n")
    .filter((text) => /"level":"(error|fatal)"/.test(text))
    .slice(0, 5)) {
    problems.push(`logged: ${line}`);
  }
  const verdict = await agent.ask({
    do: "judge",
    extension: join(extensionDir, "ducklake.duckdb_extension"),
    data_dir: folder,
    catalog: join(folder, "catalog.ducklake"),
    data_path: join(folder, "lake"),
    watermarks: false,
  });
  problems.push(...verdict.problems);
  report(verdict, metrics);
} finally {
  isOver = true;
  await agent[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.log(`problem: ${problem}`);
console.log(problems.length === 0 ? "soak: passed" : "soak: failed");
process.exit(problems.length === 0 ? 0 : 1);

function countOf(ends) {
  for (const [route, { error }] of Object.entries(ends)) {
    if (error !== null) problems.push(`${route}: ${error}`);
  }
  return Object.values(ends).reduce((sum, end) => sum + end.acknowledged, 0);
}

async function sample(eider, startedMs) {
  while (!isOver) {
    const { residentMb } = eider;
    const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
    if (samples.length % SAMPLES_PER_LINE === 0) printMemory(metrics, Date.now() - startedMs, residentMb);
    samples.push(residentMb);
    await sleep(SAMPLE_MS);
  }
}

/** A flush or a query takes some hundred MB for a moment, and more as the tables grow: what stays shows between them. */
async function restAndMeasure(eider, startedMs) {
  await sleep(REST_MS);
  const { residentMb } = eider;
  const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  // What DuckDB accounts for, its caches of the lake for the most part, ends at the memory limits; buffers end at V8's next
  // collection.
  const accountedMb =
    (sumIn(metrics, "eider_duckdb_memory_bytes") + sumIn(metrics, "nodejs_external_memory_bytes")) / 2 ** 20;
  rests.push({ hours: (Date.now() - startedMs) / 3_600_000, residentMb, unaccountedMb: residentMb - accountedMb });
}

function printMemory(metrics, ageMs, residentMb) {
  const parts = MEMORY_PARTS.map(([name, metric]) => `${name} ${mb(sumIn(metrics, metric))}`);
  console.log(
    `${(ageMs / 60_000).toFixed(0).padStart(3)} min   resident ${residentMb.toFixed(0)} MB: ${parts.join(", ")}`,
  );
}

/**
 * DuckDB clears a queue of buffers that it may evict once 32,768 entries are in it, and there are eight of them: until then
 * each buffer that is gone leaves some 250 bytes behind, which DuckDB does not count. A server gets there within hours, and
 * that growth, which ends, would hide another.
 */
async function fillQueues(eider) {
  const before = eider.residentMb;
  const side = "(SELECT 'k' || range AS k FROM range(100))";
  const join = `SELECT max(a.k) AS k FROM ${side} a JOIN ${side} b USING (k)`;
  const sql = Array.from({ length: JOINS_PER_STATEMENT }, () => join).join(" UNION ALL ");
  const client = await connect(eider.flightUri);
  try {
    for (let i = 0; i < FILLING_STATEMENTS; i++) await (await client.query(sql)).toTable();
  } finally {
    await client[Symbol.asyncDispose]();
  }
  console.log(
    `DuckDB's queues filled by ${FILLING_STATEMENTS * JOINS_PER_STATEMENT} joins: ${before.toFixed(0)} MB became ${eider.residentMb.toFixed(0)} MB`,
  );
}

async function read(once) {
  while (!isOver) {
    await rest;
    try {
      await once();
    } catch (error) {
      problems.push(`a query failed: ${error.message}`);
      return;
    }
  }
}

/** A client comes, asks three things, leaves one result unread, and goes. */
async function readByFlight(eider) {
  const client = await connect(eider.flightUri);
  const table = largeTable;
  try {
    for (const sql of [
      `SELECT count(*), max(id) FROM ${table}`,
      "SELECT * FROM put_keyed ORDER BY id",
      `SELECT id, text FROM ${table} LIMIT 20000`,
    ]) {
      await (await client.query(sql)).toTable();
      queries.flight++;
    }
    await (await client.query(`SELECT * FROM ${table}`)).cancel();
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

async function readByHttp(eider) {
  const response = await fetch(`${eider.httpUrl}/query`, {
    method: "POST",
    body: JSON.stringify({ sql: "SELECT count(*) AS n FROM put_append", limit: 10 }),
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  await response.json();
  queries.http++;
  await sleep(100);
}

function sumIn(metrics, name) {
  const values = metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

function mb(bytes) {
  return (bytes / 2 ** 20).toFixed(0);
}

/** Least squares. */
function slopeMbPerHour(points) {
  const mean = (of) => points.reduce((sum, each) => sum + of(each), 0) / points.length;
  const [x, y] = [mean((each) => each.hours), mean((each) => each.unaccountedMb)];
  const covariance = mean((each) => (each.hours - x) * (each.unaccountedMb - y));
  return covariance / mean((each) => (each.hours - x) ** 2);
}

function report(verdict, metrics) {
  const rows = Object.values(verdict.rows).reduce((sum, n) => sum + n, 0);
  const sumOf = (name) => sumIn(metrics, name);
  const judged = rests.slice(Math.floor(rests.length * WARM_UP_SHARE));
  const slope = slopeMbPerHour(judged);
  const listOf = (key) => judged.map((each) => each[key].toFixed(0)).join(", ");
  if (minutes >= SLOPE_MINUTES && slope > SLOPE_LIMIT_MB_PER_HOUR) {
    problems.push(`memory grows by ${slope.toFixed(0)} MB/h, over ${SLOPE_LIMIT_MB_PER_HOUR}`);
  }
  console.log(
    [
      `operations acknowledged   ${acknowledged}, in doubt ${verdict.doubtful}`,
      `rows made durable         ${sumOf("eider_ingest_rows_total")}; in the lake at the end ${rows}`,
      `flushes                   ${sumOf("eider_flushes_total")}, housekeeping tasks ${sumOf("eider_housekeeping_tasks_total")}`,
      `queries                   ${queries.flight} by Flight, ${queries.http} by HTTP`,
      `resident memory           first ${samples[0]?.toFixed(0)} MB, highest ${Math.max(...samples).toFixed(0)} MB, last ${samples.at(-1)?.toFixed(0)} MB`,
      `at rest                   ${listOf("residentMb")} MB, each ${REST_MS / 1000} s after the last operation, after the first ${WARM_UP_SHARE * 100} %`,
      `that nothing accounts for ${listOf("unaccountedMb")} MB${minutes >= SLOPE_MINUTES ? `: ${slope.toFixed(0)} MB/h` : ""}`,
      `of it at the end          DuckDB ${mb(sumOf("eider_duckdb_memory_bytes"))} MB, JavaScript ${mb(sumOf("nodejs_heap_size_used_bytes"))} MB, its buffers ${mb(sumOf("nodejs_external_memory_bytes"))} MB`,
      `orphaned files            ${verdict.orphans}`,
    ].join("\n"),
  );
}
