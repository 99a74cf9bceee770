import { quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";

export interface FileColumn {
  readonly name: string;
  /** As the file's reader takes it. */
  readonly type: string;
  /** What its table wants instead. */
  readonly wanted: string | undefined;
}

export interface FileFormat {
  readonly name: string;
  readonly endings: readonly string[];
  /** DuckDB's reader, as SQL; undefined: Arrow files are read as they are. */
  readonly reader: ((path: string) => string) | undefined;
  /** Its rows with the wanted types, CSV's read as these at once: a DECIMAL never was a DOUBLE. */
  readonly typedQuery?: (path: string, columns: readonly FileColumn[]) => string;
}

const typesOf = (columns: readonly FileColumn[]) =>
  `{${columns.map(({ name, type, wanted }) => `${quoteLiteral(name)}: ${quoteLiteral(wanted ?? type)}`).join(", ")}}`;

/** THE table of files that can be ingested. */
const FORMATS: readonly FileFormat[] = [
  {
    name: "parquet",
    endings: [".parquet", ".pq"],
    reader: (path) => `read_parquet(${quoteLiteral(path)})`,
    typedQuery: (path, columns) => {
      const casts = columns.flatMap(({ name, wanted }) =>
        wanted === undefined ? [] : `CAST(${quoteIdentifier(name)} AS ${wanted}) AS ${quoteIdentifier(name)}`,
      );
      return `SELECT * REPLACE (${casts.join(", ")}) FROM read_parquet(${quoteLiteral(path)})`;
    },
  },
  {
    name: "csv",
    endings: [".csv", ".tsv", ".csv.gz", ".tsv.gz"],
    reader: (path) => `read_csv(${quoteLiteral(path)})`,
    typedQuery: (path, columns) => {
      const changed = columns.filter(({ wanted }) => wanted !== undefined);
      return `SELECT * FROM read_csv(${quoteLiteral(path)}, types = ${typesOf(changed)})`;
    },
  },
  {
    name: "json",
    endings: [".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz"],
    reader: (path) => `read_json(${quoteLiteral(path)})`,
    typedQuery: (path, columns) => `SELECT * FROM read_json(${quoteLiteral(path)}, columns = ${typesOf(columns)})`,
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
