// A plot of a result: numbers of one column by time, number or name of another.

import { Chart } from "./chart.js";
import { byId, h } from "./dom.js";

const KINDS = /** @type {const} */ ([
  ["line", "lines"],
  ["bars", "bars"],
  ["points", "points"],
]);
/** More names than this cannot be told apart on an axis. */
const MAX_NAMES = 200;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}(:?\d{2})?)?$/;

const panel = byId("plot-panel");
const kindSelect = /** @type {HTMLSelectElement} */ (byId("plot-kind"));
const xSelect = /** @type {HTMLSelectElement} */ (byId("plot-x"));
const ySelect = /** @type {HTMLSelectElement} */ (byId("plot-y"));
const chart = new Chart(byId("plot"));

kindSelect.replaceChildren(...KINDS.map(([value, name]) => h("option", { value }, name)));

/** @type {{ columns: string[], rows: unknown[][], kinds: Array<"time" | "number" | "name"> }} */
let result = { columns: [], rows: [], kinds: [] };

/** Hides the plot when there is nothing to plot. @param {string[]} columns @param {unknown[][]} rows */
export function showPlot(columns, rows) {
  const kinds = columns.map((_, i) => kindOf(rows.map((row) => row[i])));
  result = { columns, rows, kinds };
  const numeric = columns.flatMap((_, i) => (kinds[i] === "number" ? [i] : []));
  const x = chooseX(kinds, numeric);
  const y = numeric.find((i) => i !== x);
  panel.hidden = rows.length < 2 || x === undefined || y === undefined;
  if (panel.hidden) return;
  const option = (/** @type {number} */ i) => h("option", { value: i }, columns[i]);
  xSelect.replaceChildren(...columns.map((_, i) => option(i)));
  ySelect.replaceChildren(...numeric.map(option));
  xSelect.value = String(x);
  ySelect.value = String(y);
  kindSelect.value = kinds[x ?? 0] === "name" ? "bars" : "line";
  draw();
}

/** @param {Array<"time" | "number" | "name">} kinds @param {number[]} numeric */
function chooseX(kinds, numeric) {
  const time = kinds.indexOf("time");
  if (time >= 0) return time;
  const name = kinds.indexOf("name");
  return name >= 0 ? name : numeric[0];
}

/** @param {unknown[]} values @returns {"time" | "number" | "name"} */
function kindOf(values) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return "name";
  if (known.every((value) => toNumber(value) !== null)) return "number";
  return known.every((value) => typeof value === "string" && ISO_TIME.test(value)) ? "time" : "name";
}

/** Wide numbers come as text; a plot can do without their last digits. @param {unknown} value */
function toNumber(value) {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : null;
}

/** Unix seconds; without a zone it is taken as the viewer's. @param {unknown} value */
function toTime(value) {
  const ms = typeof value === "string" ? Date.parse(value.replace(" ", "T")) : Number.NaN;
  return Number.isNaN(ms) ? null : ms / 1000;
}

/** Half of what one bar may take. @param {number[]} places in order */
function barRoom(places) {
  const gaps = places.slice(1).map((at, i) => at - (places[i] ?? at));
  return Math.min(...gaps.filter((gap) => gap > 0), Number.MAX_SAFE_INTEGER) / 2;
}

function draw() {
  const { columns, rows, kinds } = result;
  const x = Number(xSelect.value);
  const y = Number(ySelect.value);
  const xKind = kinds[x];
  const named = rows.slice(0, MAX_NAMES);
  /** @type {Array<[number, number]>} */
  const points = (xKind === "name" ? named : rows).flatMap((row, place) => {
    const at = xKind === "name" ? place : xKind === "time" ? toTime(row[x]) : toNumber(row[x]);
    const value = toNumber(row[y]);
    return at === null || value === null ? [] : [[at, value]];
  });
  points.sort(([a], [b]) => a - b);
  const places = points.map(([at]) => at);
  const kind = KINDS.find(([name]) => name === kindSelect.value)?.[0] ?? "line";
  chart.show(
    {
      isTime: xKind === "time",
      series: [{ label: columns[y] ?? "", color: "--accent", kind }],
      xName: columns[x] ?? "",
      ...(kind === "bars" ? { xPad: barRoom(places) } : {}),
      ...(xKind === "name" ? { xLabels: named.map((row) => String(row[x] ?? "NULL")) } : {}),
    },
    [places, points.map(([, value]) => value)],
    "Nothing to plot.",
  );
}

for (const select of [kindSelect, xSelect, ySelect]) select.addEventListener("change", draw);
