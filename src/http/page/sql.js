// The SQL box: runs one statement that reads, shows its rows, and plots them.

import { byId, h } from "./dom.js";
import { count, duration } from "./format.js";
import { showPlot } from "./plot.js";

/** @typedef {{ columns: string[], rows: unknown[][], row_count: number, execution_time_ms: number }} Result */

const KEY = "eider-sql";
const SHOWN_ROWS = 1000;
const FILES = /** @type {Record<string, string>} */ ({
  "text/csv": "result.csv",
  "application/vnd.apache.parquet": "result.parquet",
  "application/vnd.apache.arrow.stream": "result.arrows",
});

const text = /** @type {HTMLTextAreaElement} */ (byId("sql-text"));
const strong = /** @type {HTMLInputElement} */ (byId("sql-strong"));
const runButton = /** @type {HTMLButtonElement} */ (byId("sql-run"));
const cancelButton = /** @type {HTMLButtonElement} */ (byId("sql-cancel"));

/** @type {AbortController | undefined} */
let running;

text.value = sessionStorage.getItem(KEY) ?? "SHOW ALL TABLES";

/** @param {string} accept @param {number} [limit] */
async function post(accept, limit) {
  running?.abort();
  const own = new AbortController();
  running = own;
  sessionStorage.setItem(KEY, text.value);
  runButton.disabled = true;
  cancelButton.disabled = false;
  showError("");
  try {
    const response = await fetch("/query", {
      method: "POST",
      signal: own.signal,
      headers: { accept, "content-type": "application/json" },
      body: JSON.stringify({ sql: text.value, limit, consistency: strong.checked ? "strong" : "session" }),
    });
    if (!response.ok) throw new Error(await errorText(response));
    return accept === "application/json" ? await response.json() : await response.blob();
  } catch (error) {
    if (own.signal.aborted) {
      if (running === own) showState("Cancelled.");
      return undefined;
    }
    showState("");
    showError(error instanceof TypeError ? "The server closed the connection before the end." : messageOf(error));
    return undefined;
  } finally {
    if (running === own) {
      running = undefined;
      runButton.disabled = false;
      cancelButton.disabled = true;
    }
  }
}

/** @param {Response} response */
async function errorText(response) {
  const body = await response.json().catch(() => undefined);
  return body?.error?.message ?? `The server answered with status ${response.status}.`;
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

async function run() {
  if (text.value.trim() === "") return;
  hideResults();
  showState("Running…");
  const startedMs = performance.now();
  // One row more tells whether there are more.
  const result = /** @type {Result | undefined} */ (await post("application/json", SHOWN_ROWS + 1));
  if (result) showResult(result, performance.now() - startedMs);
}

/** @param {string} accept */
async function download(accept) {
  showState("Downloading…");
  const blob = /** @type {Blob | undefined} */ (await post(accept));
  if (!blob) return;
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: FILES[accept] }).click();
  URL.revokeObjectURL(url);
  showState("Downloaded.");
}

/** @param {Result} result @param {number} tookMs */
function showResult({ columns, rows, execution_time_ms: ms }, tookMs) {
  const isCut = rows.length > SHOWN_ROWS;
  const shown = isCut ? rows.slice(0, SHOWN_ROWS) : rows;
  const counted = rows.length === 1 ? "1 row" : `${count(shown.length)} rows`;
  const more = isCut ? " and more (download for all)" : "";
  showState(`${counted}${more}; ${duration(ms)} in DuckDB, ${duration(tookMs)} until here`);
  const panel = byId("sql-results");
  panel.replaceChildren(resultTable(columns, shown));
  panel.hidden = false;
  showPlot(columns, shown);
}

/** @param {string[]} columns @param {unknown[][]} rows */
function resultTable(columns, rows) {
  const classes = columns.map((_, i) => (rows.some((row) => isNumeric(row[i])) ? "number" : ""));
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...columns.map((name, i) => h("th", { scope: "col", class: classes[i] }, name)))),
    h(
      "tbody",
      {},
      ...rows.map((row) =>
        h(
          "tr",
          {},
          ...row.map((value, i) => h("td", { class: value === null ? "null" : classes[i] }, cellText(value))),
        ),
      ),
      rows.length === 0 ? h("tr", {}, h("td", { class: "empty", colspan: columns.length }, "No rows.")) : undefined,
    ),
  );
}

/** Integers beyond 2^53 come as text. @param {unknown} value */
const isNumeric = (value) =>
  typeof value === "number" || (typeof value === "string" && /^-?\d{16,}(\.\d+)?$/.test(value));

/** @param {unknown} value */
function cellText(value) {
  if (value === null) return "NULL";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function hideResults() {
  byId("sql-results").hidden = true;
  byId("plot-panel").hidden = true;
}

/** @param {string} state */
function showState(state) {
  byId("sql-state").textContent = state;
}

/** @param {string} error */
function showError(error) {
  const element = byId("sql-error");
  element.hidden = error === "";
  element.textContent = error;
}

const cancel = () => running?.abort();

byId("sql-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
cancelButton.addEventListener("click", cancel);
for (const button of document.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => void download(button.getAttribute("data-download") ?? ""));
}
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    void run();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") cancel();
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    text.scrollIntoView({ block: "center" });
    text.focus({ preventScroll: true });
  }
});
