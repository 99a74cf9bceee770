import type { RecordBatch, Schema } from "apache-arrow";
import type { QueryResult } from "../../client/query-result.ts";
import { cellText, jsonText } from "./cell-text.ts";
import type { FormatName } from "./format-names.ts";
import { TableText } from "./table-text.ts";

export interface FormatOptions {
  /** Rows of a table that are shown; 0: all. */
  readonly maxRows: number;
  /** Told after each batch. */
  readonly onRows: (count: number) => void;
}

type Format = (result: QueryResult, options: FormatOptions) => AsyncIterable<string | Uint8Array>;

/**
 * THE table of output formats. All but `table` and `parquet`, whose footer comes last, are written while the rows come,
 * and hold one batch at a time.
 */
export const FORMATS = {
  table: async function* (result, { maxRows, onRows }) {
    const table = new TableText(result.schema, maxRows);
    for await (const batch of result) {
      table.add(batch);
      onRows(batch.numRows);
    }
    yield table.text();
  },
  csv: async function* (result, options) {
    yield `${result.schema.fields.map(({ name }) => csvCell(name)).join(",")}\n`;
    yield* eachBatch(
      result,
      options,
      (columns, row) => `${columns.map((column) => csvCell(cellText(column, row))).join(",")}\n`,
    );
  },
  json: async function* (result, options) {
    const object = objectOf(result.schema);
    let before = "[\n";
    yield* eachBatch(result, options, (columns, row) => {
      const text = before + object(columns, row);
      before = ",\n";
      return text;
    });
    yield before === "[\n" ? "[]\n" : "\n]\n";
  },
  ndjson: async function* (result, options) {
    const object = objectOf(result.schema);
    yield* eachBatch(result, options, (columns, row) => `${object(columns, row)}\n`);
  },
  arrow: async function* (result) {
    yield* result.ipcStream();
  },
  parquet: async function* (result, { onRows }) {
    // DuckDB writes it: not loaded for what needs no DuckDB.
    const { parquetOf } = await import("../../files/parquet-file.ts");
    yield* parquetOf(result.schema, result.frames(), onRows);
  },
} as const satisfies Readonly<Record<FormatName, Format>>;

type Columns = RecordBatch["data"]["children"];

async function* eachBatch(
  result: QueryResult,
  { onRows }: FormatOptions,
  rowText: (columns: Columns, row: number) => string,
): AsyncGenerator<string> {
  for await (const batch of result) {
    let text = "";
    for (let row = 0; row < batch.numRows; row++) text += rowText(batch.data.children, row);
    yield text;
    onRows(batch.numRows);
  }
}

function objectOf({ fields }: Schema): (columns: Columns, row: number) => string {
  const names = fields.map(({ name }) => JSON.stringify(name));
  return (columns, row) => `{${columns.map((column, i) => `${names[i]}:${jsonText(column, row)}`).join(",")}}`;
}

/** RFC 4180; NULL is empty, and an empty text is quoted to be told from it. */
function csvCell(text: string | undefined): string {
  if (text === undefined) return "";
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
