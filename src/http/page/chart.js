import { h } from "./dom.js";
import { rough } from "./format.js";
import uPlot from "./uplot.js";

/**
 * @typedef {{ label: string, color: string, kind?: "line" | "bars" | "points" }} Series `color`: a CSS variable's name
 * @typedef {object} ChartOptions
 * @property {Series[]} series
 * @property {boolean} isTime
 * @property {string} [xName]
 * @property {string[]} [xLabels] names of the places 0, 1, … of x
 * @property {number} [xPad] room beyond the first and the last x, for bars
 */

const HEIGHT_PX = 200;

/** A chart that fills its element and follows its width and the theme. */
export class Chart {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {uPlot | undefined} */
    this.plot = undefined;
    /** @type {ChartOptions | undefined} */
    this.options = undefined;
    /** @type {uPlot.AlignedData} */
    this.data = [[]];
    this.emptyText = "";
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(element);
    document.addEventListener("themechange", () => this.rebuild());
  }

  size() {
    return { width: Math.max(this.element.clientWidth, 200), height: HEIGHT_PX };
  }

  /**
   * The first list of `data` is x: Unix seconds, numbers, or places of `xLabels`.
   * @param {ChartOptions} options @param {uPlot.AlignedData} data @param {string} emptyText shown while there are no values
   */
  show(options, data, emptyText) {
    const isSame = JSON.stringify(options) === JSON.stringify(this.options) && emptyText === this.emptyText;
    const wasEmpty = this.data[0]?.length === 0;
    this.options = options;
    this.data = data;
    this.emptyText = emptyText;
    if (isSame && this.plot && !wasEmpty) this.plot.setData(data);
    else this.rebuild();
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = undefined;
    this.element.replaceChildren();
    if (!this.options) return;
    if ((this.data[0]?.length ?? 0) === 0) {
      this.element.append(h("p", { class: "empty" }, this.emptyText));
      return;
    }
    this.plot = new uPlot(plotOptions(this.options, this.size()), this.data, this.element);
  }
}

/** @param {string} name */
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {ChartOptions} options @param {{ width: number, height: number }} size @returns {uPlot.Options} */
function plotOptions({ series, isTime, xLabels, xName = "x", xPad = 0 }, size) {
  const font = "12px system-ui, sans-serif";
  const axis = {
    stroke: color("--soft"),
    font,
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  /** @param {number} place */
  const nameAt = (place) => (Number.isInteger(place) ? (xLabels?.[place] ?? "") : "");
  const bars = uPlot.paths.bars?.({ size: [0.7, 60] });
  return {
    ...size,
    padding: [12, 28, 0, 0],
    legend: { markers: { fill: (_, i) => color(series[i - 1]?.color ?? "--soft") } },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    scales: {
      x: { time: isTime, range: (_, min, max) => [min - xPad, max + xPad] },
      y: { range: { min: { soft: 0, mode: 1 }, max: { pad: 0.1, soft: 1, mode: 2 } } },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 80,
        size: 40,
        ...(isTime ? { values: timeValues } : {}),
        ...(xLabels ? { values: (/** @type {uPlot} */ _, /** @type {number[]} */ at) => at.map(nameAt) } : {}),
      },
      { ...axis, size: 56, values: (/** @type {uPlot} */ _, /** @type {number[]} */ at) => at.map(rough) },
    ],
    series: [
      {
        label: isTime ? "time" : xName,
        ...(isTime ? { value: timeValue } : {}),
        ...(xLabels ? { value: (/** @type {uPlot} */ _, /** @type {number} */ at) => nameAt(at) } : {}),
      },
      ...series.map(({ label, color: name, kind = "line" }) => ({
        label,
        stroke: color(name),
        width: 2,
        points: { show: kind === "points", size: 6 },
        value: (/** @type {uPlot} */ _, /** @type {number | null} */ value) => (value === null ? "–" : rough(value)),
        ...(kind === "points" ? { paths: () => null } : {}),
        ...(kind === "bars" && bars ? { paths: bars, fill: color(name), width: 0 } : {}),
        // Of two areas the one behind could not be told.
        ...(kind === "line" && series.length === 1 ? { fill: `${color(name)}1f` } : {}),
      })),
    ],
  };
}

/** @type {uPlot.Axis.Values} */
const timeValues = [
  [31_536_000, "{YYYY}", null, null, null, null, null, null, 1],
  [86_400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{MM}-{DD}", null, null, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
];
const timeValue = "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}";
