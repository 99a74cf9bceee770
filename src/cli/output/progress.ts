import type { Shell } from "../shell.ts";

const REDRAW_MS = 200;
const ERASE_LINE = "\r\x1b[K";

/** One line on a terminal's standard error that is drawn again and again; nothing where that is no terminal. */
export class ProgressLine implements Disposable {
  readonly #shell: Shell;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(shell: Shell, text: () => string) {
    this.#shell = shell;
    if (shell.stderrIsTerminal) this.#timer = setInterval(() => shell.stderr(`${ERASE_LINE}${text()}`), REDRAW_MS);
  }

  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#shell.stderr(ERASE_LINE);
  }
}

/** `1,234,567 rows, 12 s, 102,881 rows/s`, and `, 40 %, 18 s left` when the share that is done is known. */
export function rateText(rows: number, elapsedMs: number, share?: number): string {
  const seconds = elapsedMs / 1000;
  const text = `${rows.toLocaleString("en")} rows, ${durationText(seconds)}, ${Math.round(rows / Math.max(seconds, 0.001)).toLocaleString("en")} rows/s`;
  if (share === undefined || share <= 0) return text;
  return `${text}, ${Math.round(share * 100)} %, ${durationText((seconds * (1 - share)) / share)} left`;
}

export function durationText(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
