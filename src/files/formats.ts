import type { Connection } from "../duck/database.ts";
import { quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { type SniffedText, sniffCsv, sniffJson } from "./sniffed-text.ts";

export interface FileFormat {
  readonly name: string;
  readonly endings: readonly string[];
  /** DuckDB's reader, as SQL, of files that have types of their own. */
  readonly reader?: (path: string) => string;
  /** Of text, which gets its types from the table. Arrow files, with neither, are read as they are. */
  readonly sniff?: (connection: Connection, path: string) => Promise<SniffedText>;
}

/** THE table of files that can be ingested. */
const FORMATS: readonly FileFormat[] = [
  { name: "parquet", endings: [".parquet", ".pq"], reader: (path) => `read_parquet(${quoteLiteral(path)})` },
  { name: "csv", endings: [".csv", ".tsv", ".csv.gz", ".tsv.gz"], sniff: sniffCsv },
  {
    name: "json",
    endings: [".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz"],
    sniff: sniffJson,
  },
  { name: "arrow", endings: [".arrow", ".arrows", ".feather", ".ipc"] },
];

export const FILE_FORMAT_NAMES: readonly string[] = FORMATS.map(({ name }) => name);

/** By `name` when given, else by the path's ending. Throws `config_invalid`. */
export function fileFormatOf(path: string, name?: string): FileFormat {
  // Of an address alone: a file on disk may be called `a#1.csv`.
  const plain = (path.includes("://") ? (path.split(/[?#]/)[0] ?? "") : path).toLowerCase();
  const format = FORMATS.find((row) =>
    name === undefined ? row.endings.some((ending) => plain.endsWith(ending)) : row.name === name,
  );
  if (format) return format;
  throw new EiderError(
    "config_invalid",
    `${name === undefined ? `the name ${path} does not tell its format` : `no format is called ${name}`}: give --format ${FILE_FORMAT_NAMES.join(", ")}`,
  );
}
