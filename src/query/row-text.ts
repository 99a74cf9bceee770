import type duckdb from "@duckdb/node-bindings";
import { DuckDBDataChunk, type DuckDBValue } from "../duck/node-api.ts";
import { type CellText, cellTextOf, jsonOf } from "./cell-text.ts";

/** Rows of a result as text: what comes before them, each of them, what comes after. */
export interface RowText {
  readonly head: string;
  /** What stands between two rows. */
  readonly separator: string;
  row(cells: readonly CellText[], values: readonly DuckDBValue[]): string;
  tail(facts: ResultFacts): string;
}

export interface ResultFacts {
  readonly rows: number;
  readonly executionMs: number;
}

/** `{"columns":[…],"rows":[[…],…],"row_count":n,"execution_time_ms":n}` */
export function jsonDocument(names: readonly string[]): RowText {
  return {
    head: `{"columns":${JSON.stringify(names)},"rows":[`,
    separator: ",",
    row: (cells, values) => `[${joined(cells, values, jsonOf)}]`,
    tail: ({ rows, executionMs }) => `],"row_count":${rows},"execution_time_ms":${executionMs}}`,
  };
}

/** An object per line (https://github.com/ndjson/ndjson-spec); of columns with one name all but the first get a number. */
export function ndjson(names: readonly string[]): RowText {
  const keys = uniqueNames(names).map((name) => JSON.stringify(name));
  return {
    head: "",
    separator: "",
    row: (cells, values) => `{${joined(cells, values, (cell, value, i) => `${keys[i]}:${jsonOf(cell, value)}`)}}\n`,
    tail: () => "",
  };
}

/** RFC 4180 with a header and LF; NULL is empty, an empty text is `""`. */
export function csv(names: readonly string[]): RowText {
  return {
    head: `${names.map(quoteCsv).join(",")}\n`,
    separator: "",
    row: (cells, values) => `${joined(cells, values, csvCell)}\n`,
    tail: () => "",
  };
}

/** The cells with commas between them. */
function joined(
  cells: readonly CellText[],
  values: readonly DuckDBValue[],
  write: (cell: CellText, value: DuckDBValue | undefined, i: number) => string,
): string {
  let text = "";
  for (let i = 0; i < cells.length; i++) text += `${i === 0 ? "" : ","}${write(cells[i] as CellText, values[i], i)}`;
  return text;
}

export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(names);
  const seen = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let i = 1; seen.has(unique) || (unique !== name && taken.has(unique)); i++) unique = `${name}_${i}`;
    seen.add(unique);
    return unique;
  });
}

function csvCell(cell: CellText, value: DuckDBValue | undefined): string {
  return value === null || value === undefined ? "" : quoteCsv(cell.text(value));
}

function quoteCsv(text: string): string {
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Renders ranges of rows of a result's chunks. */
export class RowRenderer {
  readonly #format: RowText;
  readonly #names: readonly string[];
  #cells: readonly CellText[] | undefined;
  #rows = 0;

  constructor(format: RowText, names: readonly string[]) {
    this.#format = format;
    this.#names = names;
  }

  /** The rows from `from` up to `to`. */
  render(handle: duckdb.DataChunk, from: number, to: number): string {
    const chunk = new DuckDBDataChunk(handle);
    const vectors = this.#names.map((_, i) => chunk.getColumnVector(i));
    const cells = this.#cells ?? vectors.map((vector, i) => cellTextOf(vector.type, this.#names[i] ?? ""));
    this.#cells = cells;
    const values: DuckDBValue[] = new Array(vectors.length);
    let text = "";
    for (let row = from; row < to; row++) {
      for (const [i, vector] of vectors.entries()) values[i] = vector.getItem(row);
      if (this.#rows++ > 0) text += this.#format.separator;
      text += this.#format.row(cells, values);
    }
    return text;
  }
}
