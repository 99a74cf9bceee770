import { quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";

export interface FileFormat {
  readonly name: string;
  readonly endings: readonly string[];
  /** DuckDB's reader, as SQL; undefined: Arrow files are read as they are. */
  readonly reader: ((path: string) => string) | undefined;
}

/** THE table of files that can be ingested. */
const FORMATS: readonly FileFormat[] = [
  { name: "parquet", endings: [".parquet", ".pq"], reader: (path) => `read_parquet(${quoteLiteral(path)})` },
  { name: "csv", endings: [".csv", ".tsv", ".csv.gz", ".tsv.gz"], reader: (path) => `read_csv(${quoteLiteral(path)})` },
  {
    name: "json",
    endings: [".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz"],
    reader: (path) => `read_json(${quoteLiteral(path)})`,
  },
  { name: "arrow", endings: [".arrow", ".arrows", ".feather", ".ipc"], reader: undefined },
];

export const FILE_FORMAT_NAMES: readonly string[] = FORMATS.map(({ name }) => name);

/** By `name` when given, else by the path's ending. Throws `config_invalid`. */
export function fileFormatOf(path: string, name?: string): FileFormat {
  const plain = path.split(/[?#]/)[0]?.toLowerCase() ?? "";
  const format = FORMATS.find((row) =>
    name === undefined ? row.endings.some((ending) => plain.endsWith(ending)) : row.name === name,
  );
  if (format) return format;
  throw new EiderError(
    "config_invalid",
    `${name === undefined ? `the name ${path} does not tell its format` : `no format is called ${name}`}: give --format ${FILE_FORMAT_NAMES.join(", ")}`,
  );
}
