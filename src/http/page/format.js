// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** @param {number} value */
export const count = (value) => whole.format(value);

/** A rate or an axis label: three digits are enough. @param {number} value */
export const rough = (value) => (Math.abs(value) < 1000 ? fine.format(value) : short.format(value));

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"];

/** @param {number} value */
export function bytes(value) {
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < SIZES.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${fine.format(size)} ${SIZES[unit]}`;
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${fine.format(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** @param {number} ms Unix time */
export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
