#!/usr/bin/env node
// npm run bench:profile: what the server's JavaScript threads spend their time on, for each kind of the benchmark's work.
//   node bench/profile.mjs [--only ingest,put,stream,pipelined,insert,bulk,select,one] [--seconds 5]
// Node's sampling profiler runs in the server (`--cpu-prof`); times are of the work alone, without the start. Needs a build.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { askPython } from "./ask-python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "ingest,put,stream,pipelined,insert,bulk,select,one" },
    seconds: { type: "string", default: "5" },
  },
});

/** Where a function of the profile belongs, by the place of its source; the first that fits counts. */
const PARTS = [
  ["idle", ({ functionName }) => functionName === "(idle)"],
  ["garbage collection", ({ functionName }) => functionName === "(garbage collector)"],
  ["native: sockets, DuckDB", ({ functionName, url }) => functionName === "(program)" || url === ""],
  ["Node: HTTP/2, streams, timers", ({ url }) => url.startsWith("node:")],
  ["grpc-js", ({ url }) => url.includes("/@grpc/grpc-js/")],
  ["protobuf", ({ url }) => /\/(protobufjs|@grpc\/proto-loader)\//.test(url) || !/[/:]/.test(url)],
  ["metrics", ({ url }) => url.includes("/prom-client/") || url.includes("/src/observe/")],
  ["DuckDB's binding", ({ url }) => url.includes("/@duckdb/")],
  ["Eider: Arrow", ({ url }) => url.includes("/src/arrow/")],
  ["Eider: the rest", () => true],
];

/** Self time by part, in ms, of what was sampled `fromMs` after the profile's start or later. */
function timesOf(profile, fromMs) {
  const partOf = new Map(
    profile.nodes.map(({ id, callFrame }) => [id, PARTS.find(([, fits]) => fits(callFrame))?.[0]]),
  );
  const times = new Map();
  let atUs = 0;
  for (const [i, id] of profile.samples.entries()) {
    atUs += profile.timeDeltas[i];
    if (atUs < fromMs * 1000) continue;
    times.set(partOf.get(id), (times.get(partOf.get(id)) ?? 0) + profile.timeDeltas[i] / 1000);
  }
  return times;
}

async function measure(work) {
  const folder = mkdtempSync(join(tmpdir(), "eider-profile-"));
  try {
    const startedMs = performance.now();
    const flags = ["--cpu-prof", `--cpu-prof-dir=${join(folder, "profiles")}`];
    const settings = ["serve", "--port=0", "--http-port=0", `--data-dir=${join(folder, "data")}`, "--log-level=warn"];
    const server = spawn(process.execPath, [...flags, join(root, "dist", "src", "main.js"), ...settings], {
      env: { ...process.env, UV_THREADPOOL_SIZE: "32" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = new Promise((resolve) => server.once("exit", resolve));
    const { value: ready = "" } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next();
    const flightUri = /flight=(\S+)/.exec(ready)?.[1];
    if (!flightUri) throw new Error("the server did not start");
    const readyMs = performance.now() - startedMs;
    const input = { flightUri, work, seconds: Number(options.seconds), warmUpSeconds: 2, rows: 2_000_000, repeat: 3 };
    const units = await askPython("profile_work.py", input);
    server.kill("SIGTERM");
    await exited;
    print(work, units, folder, readyMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function print(work, { units, unit }, folder, readyMs) {
  console.log(`\n${work}: ${units.toLocaleString("en")} ${unit}`);
  const profiles = readdirSync(join(folder, "profiles"))
    .map((name) => JSON.parse(readFileSync(join(folder, "profiles", name), "utf8")))
    .map((profile) => ({ isMain: !profile.nodes.some(isWorkers), times: timesOf(profile, readyMs) }));
  for (const isMain of [true, false]) {
    const all = new Map();
    for (const { times } of profiles.filter((each) => each.isMain === isMain)) {
      for (const [part, ms] of times) if (part !== "idle") all.set(part, (all.get(part) ?? 0) + ms);
    }
    const sumMs = [...all.values()].reduce((sum, ms) => sum + ms, 0);
    console.log(`  ${isMain ? "main thread" : "buffer threads"}: ${((sumMs * 1000) / units).toPrecision(3)} µs each`);
    for (const [part, ms] of [...all].sort(([, a], [, b]) => b - a)) {
      console.log(`    ${`${Math.round((ms / sumMs) * 100)} %`.padStart(5)}  ${part}`);
    }
  }
}

function isWorkers({ callFrame: { url } }) {
  return url.endsWith("/src/buffer/worker.js") || url.endsWith("/src/buffer/host.js");
}

for (const work of options.only.split(",")) await measure(work);
