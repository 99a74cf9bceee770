import { isAssignable } from "../arrow/assignable.ts";
import { isNested, parseType } from "../arrow/type-text.ts";
import type { Connection } from "../duck/database.ts";
import { quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { textFits, textValue } from "./checked-cast.ts";
import type { SniffedColumn, SniffedText } from "./sniffed-text.ts";

/** A column of the table that takes the rows; `type` is DuckDB's SQL type text. */
export interface WantedColumn {
  readonly name: string;
  readonly type: string;
}

interface ReadColumn {
  readonly name: string;
  /** The type by which the file's reader gives it. */
  readonly readAs: string;
  readonly value: string;
  /** Where the value is made from text: the text, whether it fits, and the type. */
  readonly check?: { readonly text: string; readonly fits: string; readonly type: string };
}

const MISFIT = "a value does not fit its column";
/** Types that the file's reader gives without a change of value, or refuses; DOUBLE and FLOAT are the nearest to the text. */
const TAKEN_AS_READ = new Set(["VARCHAR", "BOOLEAN", "DOUBLE", "FLOAT", "UUID", "JSON"]);

/**
 * A file of text by the types of the table that takes it, or of what was sniffed: a value that its type does not hold is
 * refused and never rounded or cut, but for parts of a microsecond.
 */
export class TypedText {
  readonly #path: string;
  readonly #source: SniffedText;
  readonly #columns: readonly ReadColumn[];

  constructor(path: string, source: SniffedText, wanted: readonly WantedColumn[]) {
    this.#path = path;
    this.#source = source;
    const types = new Map(wanted.map(({ name, type }) => [name.toLowerCase(), type]));
    this.#columns = source.columns.map((column) => readColumn(source, column, types.get(column.name.toLowerCase())));
  }

  get sql(): string {
    const values = this.#columns.map(({ name, value }) => `${value} AS ${quoteIdentifier(name)}`);
    return `SELECT ${values.join(", ")} FROM ${this.#rows}`;
  }

  /** What a failed reading is told as: where the first value is that did not fit, when that was it. */
  async explain(error: unknown, connection: Connection): Promise<unknown> {
    if (!(error instanceof EiderError) || !error.message.includes(MISFIT)) return error;
    const checks = this.#columns.flatMap(({ name, check }) => (check ? [{ name, ...check }] : []));
    const misfits = checks.map(
      ({ name, text, fits, type }) =>
        `CASE WHEN NOT (${fits}) THEN {name: ${quoteLiteral(name)}, type: ${quoteLiteral(type)}, text: left(${text}, 200)} END`,
    );
    const breaks = this.#columns.map(({ name }) => {
      const text = `${quoteIdentifier(name)}::VARCHAR`;
      return `coalesce(length(${text}) - length(replace(${text}, chr(10), '')), 0)`;
    });
    const [found] = await connection.rows(
      `SELECT place, misfit.name, misfit.type, misfit.text, breaks FROM (
         SELECT row_number() OVER () AS place, coalesce(${misfits.join(", ")}) AS misfit,
                sum(${breaks.join(" + ")}) OVER (ROWS UNBOUNDED PRECEDING) AS breaks
         FROM ${this.#rows}) WHERE misfit IS NOT NULL LIMIT 1`,
    );
    if (!found) return error;
    const { linesAbove } = this.#source;
    const row = Number(found["place"]);
    // Of a row with line breaks within its values it is the last line.
    const line = linesAbove === undefined ? "" : `line ${linesAbove + row + Number(found["breaks"])} `;
    const place = line === "" ? `row ${row}` : `${line}(row ${row})`;
    return new EiderError(
      "schema_mismatch",
      `${this.#path}, ${place}, column "${found["name"]}": ${found["text"]} does not fit ${found["type"]} unchanged`,
      { cause: error },
    );
  }

  get #rows(): string {
    return this.#source.read(this.#columns.map(({ readAs }) => readAs));
  }
}

function readColumn(source: SniffedText, column: SniffedColumn, wanted: string | undefined): ReadColumn {
  const { name } = column;
  const id = quoteIdentifier(name);
  const type = wanted ?? column.type;
  const asSniffed: ReadColumn = { name, readAs: column.type, value: id };
  const isSame = isAssignable(column.type, type) === "same";
  if (isSame && (TAKEN_AS_READ.has(parseType(type).name) || column.isOfOwnPattern)) return asSniffed;
  if (type === source.textType) return { name, readAs: type, value: id };
  // The server knows which lists and structs go into which.
  if (isNested(type)) return asSniffed;
  if (isNested(column.type) && type !== "VARCHAR") return asSniffed;
  const isPattern = column.isOfOwnPattern && type !== "VARCHAR";
  const readAs = isPattern ? column.type : source.textType;
  const text = isPattern ? `${id}::VARCHAR` : source.text(id);
  if (type === "VARCHAR") return { name, readAs, value: text };
  const inexact = isExactNumber(type) ? source.isInexact?.(id) : undefined;
  const isKept = inexact === undefined ? textFits(text, type) : `NOT (${inexact}) AND ${textFits(text, type)}`;
  const fits = `${text} IS NULL OR ${isKept}`;
  const value = `CASE WHEN ${fits} THEN ${textValue(text, type)} ELSE error(${quoteLiteral(MISFIT)}) END`;
  return { name, readAs, value, check: { text, fits, type } };
}

function isExactNumber(type: string): boolean {
  return /^(DECIMAL|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$)/.test(parseType(type).name);
}
