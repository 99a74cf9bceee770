#!/usr/bin/env node
// npm run bench:nodes: 1, 2, 4 and 8 servers on one PostgreSQL catalog and one S3 (moto), all on this machine; each node's
// writers send to the same tables. Commits and rows of the lake per second, by the lake's own snapshots, and how long a row
// is on its way from its acknowledgement into the lake.
//   node bench/nodes.mjs [--nodes 1,2,4,8] [--seconds 15] [--tables 4] [--batch 100] [--keyed]
// Results go to bench/results/ as JSON; all nodes, PostgreSQL, the store and the writers share the cores. Needs a build.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setupExtensions } from "../scripts/setup-extensions.mjs";
import { askPython } from "./ask-python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
await setupExtensions("ducklake", "httpfs", "postgres_scanner");
const { NodeRun } = await import("../dist/test/lakes/node-run.js");

const { values: options } = parseArgs({
  options: {
    nodes: { type: "string", default: "1,2,4,8" },
    seconds: { type: "string", default: "15" },
    tables: { type: "string", default: "4" },
    batch: { type: "string", default: "100" },
    keyed: { type: "boolean", default: false },
  },
});

/** Writers of one node for `seconds`; resolves to what they had acknowledged. */
function write(uri, node) {
  const input = { ...options, uri, node, seconds: Number(options.seconds) };
  return askPython("node_writers.py", input);
}

async function scrape({ httpUrl }) {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  const sum = (name) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce((all, [, n]) => all + Number(n), 0);
  return {
    conflicts: sum("eider_commit_conflicts_total"),
    failed: sum('eider_flushes_total\\{[^}]*result="failed"[^}]*\\}'),
    commitSeconds: sum('eider_flush_phase_duration_seconds_sum\\{phase="commit"\\}'),
    flushes: sum('eider_flush_phase_duration_seconds_count\\{phase="commit"\\}'),
  };
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

async function measure(count) {
  const run = await NodeRun.open({ bufferMaxAgeSeconds: 1, sweepIntervalSeconds: 1, logLevel: "warn" });
  try {
    return await measureOn(run, count);
  } finally {
    await run[Symbol.asyncDispose]();
  }
}

async function measureOn(run, count) {
  const nodes = Array.from({ length: count }, (_, node) => node);
  const servers = [];
  for (const node of nodes) servers.push(await run.start(node));
  for (let i = 0; i < Number(options.tables); i++) {
    await run.sql(
      0,
      `CREATE TABLE t${i} (id BIGINT${options.keyed ? " PRIMARY KEY" : ""}, node INTEGER, sent TIMESTAMPTZ, v VARCHAR)`,
    );
  }
  const started = Date.now();
  const written = await Promise.all(nodes.map((node) => write(servers[node].flightUri, node)));
  const metrics = await Promise.all(servers.map(scrape));
  const seconds = (Date.now() - started) / 1000;
  for (const node of nodes) await run.flush(node);
  const [[commits]] = await run.read(
    `SELECT count(*) FROM lake.snapshots() WHERE commit_message = 'flush' AND snapshot_time < to_timestamp(${started / 1000 + seconds})`,
  );
  const latencies = written.flatMap(({ ackMs }) => ackMs).sort((a, b) => a - b);
  const sum = (rows, key) => rows.reduce((all, row) => all + row[key], 0);
  const rows = sum(written, "rows");
  const tables = Array.from({ length: Number(options.tables) }, (_, i) => `SELECT count(*) AS n FROM t${i}`);
  const [[inLake]] = await run.read(`SELECT sum(n)::BIGINT FROM (${tables.join(" UNION ALL ")})`);
  if (!options.keyed && inLake !== rows)
    throw new Error(`${inLake} rows in the lake for ${rows} that were acknowledged`);
  const commitMs = (sum(metrics, "commitSeconds") / Math.max(1, sum(metrics, "flushes"))) * 1000;
  return {
    nodes: count,
    commitsPerSecond: commits / seconds,
    rowsPerSecond: rows / seconds,
    ackP50Ms: percentile(latencies, 0.5),
    ackP99Ms: percentile(latencies, 0.99),
    commitMeanMs: commitMs,
    conflicts: sum(metrics, "conflicts"),
    failedFlushes: sum(metrics, "failed"),
    rows,
    seconds,
  };
}

const results = [];
for (const count of options.nodes.split(",").map(Number)) {
  const result = await measure(count);
  results.push(result);
  console.error(JSON.stringify(result));
}
const at = new Date().toISOString();
const result = {
  at,
  commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim(),
  cores: cpus().length,
  cpu: cpus()[0]?.model.trim(),
  node: process.version,
  loadBefore: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[1]),
  options,
  results,
};
mkdirSync(join(root, "bench", "results"), { recursive: true });
const path = join(root, "bench", "results", `nodes-${at.slice(0, 16).replace(":", "")}.json`);
writeFileSync(path, `${JSON.stringify(result, undefined, 2)}\n`);
console.log(path);
