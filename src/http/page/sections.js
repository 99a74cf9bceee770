// The tables and lists of the page.

import { byId, emptyRow, h, showList } from "./dom.js";
import { bytes, clock, count, duration } from "./format.js";

/**
 * @typedef {import("../../observe/status.ts").Status} Status
 * @typedef {import("../../observe/status.ts").BufferStatus} BufferStatus
 * @typedef {import("../../observe/status.ts").FlushStatus} FlushStatus
 * @typedef {import("../../observe/running-queries.ts").RunningQuery} RunningQuery
 * @typedef {import("../../observe/running-queries.ts").EndedQuery} EndedQuery
 */

const PHASES = /** @type {const} */ (["compact", "write", "guard", "commit", "harden", "remove"]);

/** How full, against what starts a flush. @param {number} value @param {number} limit */
function meter(value, limit) {
  const share = limit > 0 ? value / limit : 0;
  const fill = h("i");
  fill.style.width = `${Math.min(100, share * 100)}%`;
  const title = `${Math.round(share * 100)} % of what starts a flush`;
  return h("span", { class: share > 1 ? "meter over" : "meter", title }, fill);
}

/** @param {Status} status */
export function showBuffers({ buffers, limits }) {
  showList(
    byId("buffer-rows"),
    buffers,
    ({ table }) => table,
    (buffer) => bufferRow(buffer, limits),
    () => emptyRow(6, "No table has been written to through a buffer yet."),
  );
  byId("buffer-hint").textContent =
    `A flush starts at ${count(limits.rows)} rows, ${bytes(limits.bytes)} or ${duration(limits.ageMs)}, ` +
    "by command, or by a read of one's own rows.";
}

/** @param {BufferStatus} buffer @param {Status["limits"]} limits */
function bufferRow({ table, openRows, openBytes, sealedRows, sealedBytes, ageMs, diskBytes, task }, limits) {
  return h(
    "tr",
    {},
    h("td", { class: "name" }, table),
    h("td", { class: "number" }, count(openRows + sealedRows), meter(openRows, limits.rows)),
    h("td", { class: "number wide" }, bytes(openBytes + sealedBytes), meter(openBytes, limits.bytes)),
    h("td", { class: "number" }, ageMs === undefined ? "–" : duration(ageMs), meter(ageMs ?? 0, limits.ageMs)),
    h("td", { class: "number wide" }, bytes(diskBytes)),
    h("td", {}, ...taskCell(task, sealedRows, openRows)),
  );
}

/** @param {BufferStatus["task"]} task @param {number} sealedRows @param {number} openRows */
function taskCell(task, sealedRows, openRows) {
  if (!task) return [h("span", { class: "badge plain" }, openRows > 0 ? "filling" : "empty")];
  if (task.state === "running")
    return [h("span", { class: "badge good" }, "flushing"), h("span", { class: "sub" }, `${count(sealedRows)} rows`)];
  const inMs = task.retryMs === undefined ? 0 : Math.max(0, task.retryMs - Date.now());
  return [
    h("span", { class: "badge bad" }, `failed ${task.failures}×, again in ${duration(inMs)}`),
    h("span", { class: "why" }, task.error ?? ""),
  ];
}

/** @param {Status} status */
export function showFlushes({ flushes }) {
  const legend = byId("phase-legend");
  if (legend.childElementCount === 0) {
    for (const phase of PHASES) legend.append(phaseKey(phase), ` ${phase}`);
  }
  legend.hidden = flushes.length === 0;
  showList(
    byId("flush-rows"),
    flushes,
    ({ table, startedMs, rowsIn }) => `${table} ${startedMs} ${rowsIn}`,
    flushRow,
    () => emptyRow(9, "Nothing has been flushed since the server started."),
  );
}

/** @param {string} phase */
function phaseKey(phase) {
  const key = h("span", { class: "key" });
  key.style.background = `var(--phase-${phase})`;
  return key;
}

/** @param {FlushStatus} flush */
function flushRow(flush) {
  const { table, startedMs, reason, rowsIn, rowsInserted, rowsDeleted, bytes: size, durationMs, error } = flush;
  return h(
    "tr",
    {},
    h("td", { class: "when" }, clock(startedMs)),
    h("td", { class: "name" }, table, error === undefined ? undefined : h("span", { class: "why" }, error)),
    h("td", {}, reason),
    h("td", { class: "number" }, count(rowsIn)),
    h("td", { class: "number" }, error === undefined ? count(rowsInserted) : "–"),
    h("td", { class: "number wide" }, error === undefined ? count(rowsDeleted) : "–"),
    h("td", { class: "number wide" }, bytes(size)),
    h("td", { class: "number" }, duration(durationMs)),
    h("td", { class: "wide" }, phaseBar(flush)),
  );
}

/** @param {FlushStatus} flush */
function phaseBar({ phasesMs }) {
  const present = PHASES.flatMap((phase) => {
    const ms = phasesMs[phase];
    return ms === undefined ? [] : [{ phase, ms }];
  });
  const text = present.map(({ phase, ms }) => `${phase} ${duration(ms)}`).join(", ");
  const bar = h("span", { class: "phases", role: "img", title: text, "aria-label": text });
  for (const { phase, ms } of present) {
    const part = h("i");
    part.style.flex = `${ms} 0 0`;
    part.style.background = `var(--phase-${phase})`;
    bar.append(part);
  }
  return bar;
}

/** @param {Status} status @param {() => void} onChange */
export function showQueries({ queries: { running, recent }, pool, nowMs }, onChange) {
  byId("pool-hint").textContent =
    `HTTP has ${pool.busy} busy and ${pool.idle} idle of ${pool.max} connections` +
    (pool.waiting > 0 ? `; ${pool.waiting} queries wait for one.` : ".");
  /** @type {Array<{ running: boolean, ms: number, query: RunningQuery | EndedQuery }>} */
  const rows = [
    ...running.map((query) => ({ running: true, ms: nowMs - query.startedMs, query })),
    ...recent.map((query) => ({ running: false, ms: query.durationMs, query })),
  ];
  showList(
    byId("query-rows"),
    rows,
    ({ query }) => `${query.id} ${query.startedMs}`,
    (row) => queryRow(row, onChange),
    () => emptyRow(5, "No statement has run since the server started."),
  );
}

const RESULT_BADGES = /** @type {Record<string, string>} */ ({ ok: "plain", cancelled: "warn" });

/** @param {{ running: boolean, ms: number, query: RunningQuery | EndedQuery }} row @param {() => void} onChange */
function queryRow({ running, ms, query }, onChange) {
  const ended = running ? undefined : /** @type {EndedQuery} */ (query);
  const result = ended?.result ?? "running";
  const badge = running ? "good" : (RESULT_BADGES[result] ?? "bad");
  const error = ended?.result === "cancelled" ? undefined : ended?.error;
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "nowrap" },
      h("span", { class: `badge ${badge}` }, result.replaceAll("_", " ")),
      h("span", { class: "sub" }, clock(query.startedMs)),
    ),
    h(
      "td",
      { class: "statement" },
      h("code", {}, query.sql),
      error === undefined ? undefined : h("span", { class: "why" }, error.split("\n")[0] ?? ""),
    ),
    h("td", { class: "wide nowrap" }, query.user, h("span", { class: "sub" }, query.via)),
    h("td", { class: "number" }, duration(ms)),
    h("td", { class: "number" }, running ? cancelButton(query.id, onChange) : undefined),
  );
}

/** @param {string} id @param {() => void} onChange */
function cancelButton(id, onChange) {
  const cancel = async (/** @type {Event} */ { currentTarget }) => {
    if (currentTarget instanceof HTMLButtonElement) currentTarget.disabled = true;
    await fetch(`/query/${encodeURIComponent(id)}`, { method: "DELETE" });
    onChange();
  };
  return h("button", { type: "button", class: "quiet", onclick: (event) => void cancel(event) }, "Cancel");
}

/** @param {Status} status */
export function showProblems({ problems }) {
  showList(
    byId("problem-list"),
    problems,
    ({ atMs, message }) => `${atMs} ${message}`,
    ({ atMs, level, message, error }) =>
      h(
        "li",
        {},
        h("span", { class: `badge ${level === "warn" ? "warn" : "bad"}` }, level),
        h("time", { datetime: new Date(atMs).toISOString() }, clock(atMs)),
        message,
        error === undefined || error === message ? undefined : h("span", { class: "sub" }, error),
      ),
    () => h("li", { class: "empty" }, "No warnings and no errors since the server started."),
  );
}

/** @type {Status["settings"]} */
let shown = [];

/** @param {Pick<Status, "settings">} status */
export function showSettings({ settings }) {
  shown = settings;
  const onlyChanged = /** @type {HTMLInputElement} */ (byId("settings-changed")).checked;
  showList(
    byId("setting-rows"),
    onlyChanged ? settings.filter(({ source }) => source !== "default") : settings,
    ({ name }) => name,
    ({ name, value, source, help }) =>
      h(
        "tr",
        {},
        h("td", { class: "value nowrap" }, name),
        h("td", { class: "value" }, value === "" ? "none" : value),
        h("td", {}, h("span", { class: source === "default" ? "empty" : "" }, source)),
        h("td", { class: "wide" }, help.replaceAll("`", "")),
      ),
    () => emptyRow(4, "All settings have their defaults."),
  );
}

byId("settings-changed").addEventListener("change", () => showSettings({ settings: shown }));
