#!/usr/bin/env node
// npm run load -- --seconds 30 --idle 1000 --busy 200: idle and busy connections on one server, with a reader that never
// reads and a writer that never ends beside them. Fails when a call fails, a row is missing, or a limit does not say what
// it is. Needs a build.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Int64, Table, vectorFromArray } from "apache-arrow";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    idle: { type: "string", default: "1000" },
    busy: { type: "string", default: "200" },
  },
});
const [seconds, idleCount, busyCount] = [values.seconds, values.idle, values.busy].map(Number);
const dist = process.env.EIDER_DIST ?? "dist";
const load = (path) => import(new URL(`../${dist}/${path}`, import.meta.url));
const { startEider } = await load("test/support/start-eider.js");
const { connect } = await load("src/index.js");
const { loadConfig } = await load("src/config/load.js");
const root = fileURLToPath(new URL("..", import.meta.url));
process.env.EIDER_EXTENSION_DIR ??= loadConfig({
  flags: { values: {}, unknown: [] },
  env: process.env,
  cwd: root,
}).config.extensionDir;

/** Connections that are opened at the same time. */
const OPENING = 50;
const ROWS = 20;
const problems = [];
let untilMs = 0;
let nextId = 0;
let putRows = 0;
let puts = 0;
const latenciesMs = [];

const eider = await startEider({
  // Each connection is a session; one is for the client that asks how things are.
  settings: { maxSessions: idleCount + busyCount + 3, bufferMaxAgeSeconds: 1, logLevel: "warn" },
});
const clients = [];
try {
  const own = await open();
  await own.execute("CREATE TABLE t (id BIGINT)");
  const before = Math.round(eider.residentMb);
  const idle = await openMany(idleCount);
  await Promise.all(idle.map((client) => answer(client, 1)));
  const withIdle = Math.round(eider.residentMb);
  const busy = await openMany(busyCount);
  untilMs = Date.now() + seconds * 1000;
  const stuck = await neverReads(await open());
  const endless = neverEnds(await open());
  await Promise.all(busy.map((client, i) => (i % 2 === 0 ? ask(client) : write(client))));
  const withBusy = Math.round(eider.residentMb);
  await endless;
  // The idle ones are still served.
  await Promise.all(idle.slice(0, 100).map((client) => answer(client, 1)));
  await stuck.cancel();
  // One more than the limit is refused by its name.
  const refusal = await refusalOfOneMore();
  await own.flush();
  const rows = await (await own.query("SELECT count(*)::INT AS n, count(DISTINCT id)::INT AS d FROM t")).toTable();
  const { n, d } = rows.get(0).toJSON();
  if (n !== putRows || d !== putRows)
    problems.push(`${putRows} rows were acknowledged, ${n} are there, ${d} different`);
  latenciesMs.sort((a, b) => a - b);
  const at = (share) => latenciesMs[Math.floor(latenciesMs.length * share)]?.toFixed(0);
  console.log(
    [
      `connections       ${idleCount} idle, ${busyCount} busy for ${seconds} s, a reader that never reads, a writer that never ends`,
      `SELECT 1          ${latenciesMs.length} in all; p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
      `batches           ${puts} acknowledged, ${putRows} rows, each in the lake once: ${n === putRows && d === putRows}`,
      `resident memory   ${before} MB before, ${withIdle} MB with the idle ones, ${withBusy} MB under load`,
      `one too many      ${refusal}`,
    ].join("\n"),
  );
} finally {
  await Promise.all(clients.map((client) => client.close()));
  await eider[Symbol.asyncDispose]();
}
for (const problem of problems.slice(0, 10)) console.log(`problem: ${problem}`);
console.log(problems.length === 0 ? "load: passed" : "load: failed");
process.exit(problems.length === 0 ? 0 : 1);

async function open() {
  const client = await connect(eider.flightUri);
  clients.push(client);
  return client;
}

async function openMany(count) {
  const opened = [];
  while (opened.length < count) {
    opened.push(...(await Promise.all(Array.from({ length: Math.min(OPENING, count - opened.length) }, open))));
  }
  return opened;
}

async function answer(client, expected) {
  const table = await (await client.query(`SELECT ${expected} AS n`)).toTable();
  if (Number(table.get(0).toJSON().n) !== expected) problems.push("SELECT 1 answered something else");
}

async function ask(client) {
  while (Date.now() < untilMs) {
    const startedMs = performance.now();
    await answer(client, 1).catch((error) => problems.push(`SELECT 1: ${error.message}`));
    latenciesMs.push(performance.now() - startedMs);
  }
}

function batches() {
  const ids = Array.from({ length: ROWS }, () => BigInt(nextId++));
  return new Table({ id: vectorFromArray(ids, new Int64()) }).batches;
}

async function write(client) {
  while (Date.now() < untilMs) {
    try {
      const { rows } = await client.put("t", batches());
      putRows += rows;
      puts++;
    } catch (error) {
      problems.push(`put: ${error.message}`);
    }
  }
}

/** A result of gigabytes, of which one batch is taken. */
async function neverReads(client) {
  const result = await client.query("SELECT i, repeat('x', 100) FROM range(50000000) t(i)");
  await result.frames().next();
  return result;
}

/** One stream from the first to the last second. */
async function neverEnds(client) {
  async function* slowly() {
    while (Date.now() < untilMs) {
      yield* batches();
      await sleep(200);
    }
  }
  const { rows, batches: count } = await client.put("t", slowly());
  putRows += rows;
  puts += count;
}

async function refusalOfOneMore() {
  try {
    await answer(await open(), 1);
    problems.push("one connection more than max_sessions was served");
    return "served";
  } catch (error) {
    if (!/max_sessions/.test(error.message)) problems.push(`the refusal does not name its limit: ${error.message}`);
    return error.message;
  }
}
