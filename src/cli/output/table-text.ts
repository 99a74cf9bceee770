import type { RecordBatch, Schema } from "apache-arrow";
import stringWidth from "string-width";
import { cellText, isNumeric } from "./cell-text.ts";

/** Longest text of a cell; what is cut ends with …. */
const CELL_WIDTH = 60;
const NULL_TEXT = "NULL";

/** Rows for people: aligned columns, numbers to the right, at most `maxRows` of them (0: all). */
export class TableText {
  readonly #schema: Schema;
  readonly #maxRows: number;
  readonly #rows: string[][] = [];
  /** Of all rows, shown or not. */
  rowCount = 0;

  constructor(schema: Schema, maxRows: number) {
    this.#schema = schema;
    this.#maxRows = maxRows;
  }

  add(batch: RecordBatch): void {
    const columns = batch.data.children;
    const room = this.#maxRows === 0 ? batch.numRows : Math.min(batch.numRows, this.#maxRows - this.#rows.length);
    for (let row = 0; row < room; row++) {
      this.#rows.push(columns.map((column) => oneLine(cellText(column, row) ?? NULL_TEXT)));
    }
    this.rowCount += batch.numRows;
  }

  text(): string {
    const { fields } = this.#schema;
    const head = fields.map(({ name }) => oneLine(name));
    const widths = head.map((name, i) =>
      this.#rows.reduce((width, cells) => Math.max(width, stringWidth(cells[i] ?? "")), stringWidth(name)),
    );
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, i) => {
          const field = fields[i];
          const gap = " ".repeat((widths[i] ?? 0) - stringWidth(cell));
          return field && isNumeric(field.type) ? gap + cell : cell + gap;
        })
        .join("  ")
        .trimEnd();
    const lines = [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...this.#rows.map(line)];
    return `${lines.join("\n")}\n${this.#footer()}\n`;
  }

  #footer(): string {
    const total = `${this.rowCount.toLocaleString("en")} ${this.rowCount === 1 ? "row" : "rows"}`;
    const hidden = this.rowCount - this.#rows.length;
    return hidden === 0 ? `(${total})` : `(${total}; the first ${this.#rows.length} are shown: --max-rows 0 shows all)`;
  }
}

function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal must not obey what is in a table
  const line = text.replaceAll("\n", "⏎").replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "·");
  if (stringWidth(line) <= CELL_WIDTH) return line;
  let cut = "";
  for (const character of line) {
    if (stringWidth(cut + character) >= CELL_WIDTH) break;
    cut += character;
  }
  return `${cut}…`;
}
