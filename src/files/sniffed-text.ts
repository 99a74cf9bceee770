import { isNested } from "../arrow/type-text.ts";
import type { Connection } from "../duck/database.ts";
import { quoteIdentifier, quoteLiteral } from "../duck/sql.ts";

export interface SniffedColumn {
  readonly name: string;
  readonly type: string;
  /** Read as another type its values would not be understood: dates of the file's own pattern. */
  readonly isOfOwnPattern: boolean;
}

/**
 * What DuckDB sees in a file of text before it reads it whole. It depends on the file alone: types that a table asks for
 * change neither which rows there are nor their order.
 */
export interface SniffedText {
  readonly columns: readonly SniffedColumn[];
  /** SQL of all rows, the columns read as these types. */
  read(types: readonly string[]): string;
  /** The type by which a column is read for its text, and the text of it in SQL. */
  readonly textType: string;
  text(column: string): string;
  /** True when such a text is not what the file says: a number of more digits than the reader keeps. */
  isInexact?(column: string): string;
  /** Lines above the first row; undefined: rows are not lines. */
  readonly linesAbove: number | undefined;
  /** Of these, those that are not the columns' names. */
  readonly linesSkipped: number;
}

/** How `sniff_csv` says that there is no such character. */
const NONE = "(empty)";

/** https://duckdb.org/docs/stable/data/csv/auto_detection */
export async function sniffCsv(connection: Connection, path: string): Promise<SniffedText> {
  const [row] = await connection.rows(
    `SELECT "Delimiter" AS delim, "Quote" AS quote, "Escape" AS escape, "Comment" AS comment, "SkipRows" AS skip,
            "HasHeader" AS header, "DateFormat" AS dateformat, "TimestampFormat" AS timestampformat,
            to_json("Columns")::VARCHAR AS columns
     FROM sniff_csv(${quoteLiteral(path)})`,
  );
  if (!row) throw new Error(`sniff_csv said nothing about ${path}`);
  const columns: ReadonlyArray<{ name: string; type: string }> = JSON.parse(String(row["columns"]));
  const dialect = ["delim", "quote", "escape", "comment"].map((name) => {
    const text = String(row[name] ?? NONE);
    return `${name}=${quoteLiteral(text === NONE ? "" : text)}`;
  });
  const hasHeader = row["header"] === true;
  dialect.push(`header=${hasHeader}`, `skip=${Number(row["skip"])}`);
  for (const pattern of ["dateformat", "timestampformat"]) {
    if (row[pattern] !== null) dialect.push(`${pattern}=${quoteLiteral(String(row[pattern]))}`);
  }
  const own: Readonly<Record<string, boolean>> = {
    DATE: ![null, "%Y-%m-%d"].includes(row["dateformat"] as string | null),
    TIMESTAMP: row["timestampformat"] !== null,
    "TIMESTAMP WITH TIME ZONE": row["timestampformat"] !== null,
  };
  const names = columns.map(({ name }) => name);
  const list = (texts: readonly string[]) => `[${texts.map(quoteLiteral).join(", ")}]`;
  return {
    columns: columns.map(({ name, type }) => ({ name, type, isOfOwnPattern: own[type] ?? false })),
    read: (asTypes) =>
      `read_csv(${quoteLiteral(path)}, ${dialect.join(", ")}, names=${list(names)}, types=${list(asTypes)})`,
    textType: "VARCHAR",
    text: (column) => column,
    linesAbove: Number(row["skip"]) + (hasHeader ? 1 : 0),
    linesSkipped: Number(row["skip"]),
  };
}

const JSON_PATTERNED: ReadonlySet<string> = new Set(["DATE", "TIMESTAMP"]);

/** DuckDB's name for the key "", by its place, which as a column that is asked for is no key of the file either. */
async function isUnnamed(connection: Connection, file: string, name: string, place: number): Promise<boolean> {
  if (name !== `C${place}`) return false;
  const keyed = await connection.rows(
    `SELECT 1 FROM read_json(${file}, columns={C${place}: 'JSON'}) WHERE C${place} IS NOT NULL LIMIT 1`,
  );
  return keyed.length === 0;
}

/** Of keys that differ only by case DuckDB calls the second `KEY_1`, which as a column that is asked for is no key of the file. */
function mayBeRenamed(name: string, names: ReadonlySet<string>): boolean {
  const [, first] = /^(.*)_\d+$/s.exec(name.toLowerCase()) ?? [];
  return first !== undefined && names.has(first);
}

/** https://duckdb.org/docs/stable/data/json/loading_json */
export async function sniffJson(connection: Connection, path: string): Promise<SniffedText> {
  const file = quoteLiteral(path);
  const rows = await connection.rows(
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE FROM read_json(${file}))`,
  );
  const names = new Set(rows.map(({ name }) => String(name).toLowerCase()));
  const unnamed = new Set<string>();
  for (const [place, { name }] of rows.entries()) {
    if (await isUnnamed(connection, file, String(name), place)) unnamed.add(String(name));
  }
  const isRenamed = (name: string) => unnamed.has(name) || mayBeRenamed(name, names);
  const columns = rows.map(({ name, type }) => ({
    name: String(name),
    type: String(type),
    isOfOwnPattern: JSON_PATTERNED.has(String(type)) || isRenamed(String(name)),
  }));
  const sniffed = columns.map(({ type }) => type).join();
  return {
    columns,
    read: (types) => {
      if (types.join() === sniffed) return `read_json(${file})`;
      const left: string[] = [];
      const given: string[] = [];
      for (const [i, { name }] of columns.entries()) {
        const type = types[i] ?? "JSON";
        if (isNested(type) || JSON_PATTERNED.has(type) || isRenamed(name)) left.push(quoteIdentifier(name));
        else given.push(`${quoteIdentifier(name)}: ${quoteLiteral(type)}`);
      }
      const reader = `read_json(${file}, columns={${given.join(", ")}})`;
      if (left.length === 0) return reader;
      // With types that are given the reader forgets the patterns of dates and the offsets that it has sniffed.
      return `(SELECT * FROM (SELECT ${left.join(", ")} FROM read_json(${file})) POSITIONAL JOIN ${reader})`;
    },
    textType: "JSON",
    text: (column) => `json_extract_string(${column}, '$')`,
    // DuckDB reads a number through DOUBLE when it has a point, an exponent, or does not fit 64 bits. In quotes it is a text.
    isInexact: (column) =>
      `regexp_matches(${column}::VARCHAR, '^[^"]*[.eE]') AND length(regexp_replace(${column}::VARCHAR, '([eE].*|[^0-9])', '', 'g')) > 15`,
    linesAbove: undefined,
    linesSkipped: 0,
  };
}
