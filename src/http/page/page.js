// Asks for /status.json while the page is looked at, and shows it.

import { Chart } from "./chart.js";
import { byId, h } from "./dom.js";
import { bytes, count, duration, rough } from "./format.js";
import { showBuffers, showFlushes, showProblems, showQueries, showSettings } from "./sections.js";
import "./sql.js";

/** @typedef {import("../../observe/status.ts").Status} Status */

const INTERVAL_MS = 2000;
const RATE_WINDOW_MS = 60_000;

const chart = new Chart(byId("throughput"));

/** @param {Status} status */
function show(status) {
  const troubles = [...status.notReady, ...status.degraded];
  const isWell = troubles.length === 0;
  showState(isWell ? "ready" : "waiting", isWell ? "Ready" : troubles.join("; "));
  showTiles(status);
  showThroughput(status);
  showBuffers(status);
  showFlushes(status);
  showQueries(status, refresh);
  showProblems(status);
  showSettings(status);
  byId("footer").textContent =
    `Eider ${status.version}, DuckDB ${status.duckdbVersion}, up ${duration(status.nowMs - status.startedMs)}. ` +
    "The same as JSON: /status.json. For Prometheus: /metrics. For programs: /openapi.json.";
}

/** @param {"ready" | "waiting" | "lost"} state @param {string} text */
function showState(state, text) {
  const element = byId("state");
  element.dataset["state"] = state;
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} text empty: nothing to tell */
function showNotice(text) {
  const element = byId("notice");
  element.hidden = text === "";
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Status} status */
function showTiles({ buffers, throughput, nowMs, queries, pool, memory, limits }) {
  const recent = throughput.filter(({ atMs }) => atMs > nowMs - RATE_WINDOW_MS);
  const mean = (/** @type {"rowsIn" | "bytesIn" | "rowsOut"} */ key) =>
    recent.length === 0 ? 0 : recent.reduce((sum, sample) => sum + sample[key], 0) / recent.length;
  const waiting = buffers.reduce((sum, buffer) => sum + buffer.openRows + buffer.sealedRows, 0);
  const disk = buffers.reduce((sum, buffer) => sum + buffer.diskBytes, 0);
  const ages = buffers.flatMap(({ ageMs }) => (ageMs === undefined ? [] : [ageMs]));
  const tiles = [
    ["Rows in, last minute", `${rough(mean("rowsIn"))}/s`, `${bytes(mean("bytesIn"))}/s`],
    ["Rows to the lake", `${rough(mean("rowsOut"))}/s`, "last minute"],
    ["Rows that wait", count(waiting), `${bytes(disk)} of ${bytes(limits.diskBytes)} on disk`],
    ["Oldest row", ages.length === 0 ? "none" : duration(Math.max(...ages)), `flushed after ${duration(limits.ageMs)}`],
    ["Queries", count(queries.running.length), `${pool.busy} of ${pool.max} HTTP connections`],
    ["Memory", bytes(memory.processBytes), `${bytes(memory.lakeBytes)} of it queries and flushes`],
  ];
  byId("tiles").replaceChildren(
    ...tiles.map(([name = "", value = "", note = ""]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, value, h("span", { class: "note" }, note))),
    ),
  );
}

/** @param {Status} status */
function showThroughput({ throughput }) {
  chart.show(
    {
      isTime: true,
      series: [
        { label: "made durable", color: "--accent" },
        { label: "committed to the lake", color: "--second" },
      ],
    },
    [
      throughput.map(({ atMs }) => atMs / 1000),
      throughput.map(({ rowsIn }) => rowsIn),
      throughput.map(({ rowsOut }) => rowsOut),
    ],
    "The first values come within seconds.",
  );
}

const REFUSALS = /** @type {Record<number, string>} */ ({
  401: "This server asks who you are. Reload the page to sign in.",
  403: "The state of the server needs the role admin. SQL below works with the role read.",
});

let isAsking = false;

async function refresh() {
  if (isAsking) return;
  isAsking = true;
  try {
    const response = await fetch("/status.json");
    if (response.ok) {
      show(await response.json());
      showNotice("");
    } else {
      showState("waiting", "No access to the state");
      showNotice(REFUSALS[response.status] ?? `The server answered with status ${response.status}.`);
    }
  } catch {
    showState("lost", "No answer");
    showNotice("The server does not answer. What you see is its last state; the page goes on asking.");
  } finally {
    isAsking = false;
  }
}

setInterval(() => {
  if (!document.hidden) void refresh();
}, INTERVAL_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
void refresh();
