import { parseType, type TypeNode } from "../arrow/type-text.ts";
import { quoteLiteral } from "../duck/sql.ts";

const INTEGERS = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/;

/**
 * SQL that is true where the text keeps its value as `type`, which is not nested. DuckDB's own casts round 12.505 to
 * DECIMAL(10,2) and 12.5 to BIGINT, cut the time off for DATE and leave an offset out for TIMESTAMP, without a word.
 */
export function textFits(text: string, type: string): string {
  const value = `TRY_CAST(${text} AS ${type})`;
  const isKept = exactness(text, value, parseType(type));
  // Most texts are as DuckDB writes them; CASE leaves the slower question to the others.
  return `CASE WHEN ${value}::VARCHAR = ${text} THEN true ELSE coalesce(${value} IS NOT NULL AND ${isKept}, false) END`;
}

/** SQL of the text's value, where it fits. Of a TIMESTAMP with an offset it is the instant, in UTC. */
export function textValue(text: string, type: string): string {
  const value = `CAST(${text} AS ${type})`;
  if (parseType(type).name !== "TIMESTAMP") return value;
  return `CASE WHEN TRY_CAST(${text} AS TIMESTAMP)::VARCHAR = ${text} THEN ${value} ELSE CAST(${text} AS TIMESTAMPTZ)::TIMESTAMP END`;
}

function exactness(text: string, value: string, type: TypeNode): string {
  if (INTEGERS.test(type.name)) return isWithinScale(text, value, 0);
  if (type.name === "DECIMAL") return isWithinScale(text, value, Number(type.args[1] ?? 0));
  return OTHERS[type.name]?.(text, value) ?? "true";
}

/** No digit but 0 beyond the scale; with an exponent the number must be one that DOUBLE holds exactly. */
function isWithinScale(text: string, value: string, scale: number): string {
  const plain = String.raw`\s*([+-]?[0-9_]*\.?[0-9]{0,${scale}}0*|0[xXbB][0-9a-fA-F_]+)\s*`;
  const number = `TRY_CAST(${text} AS DOUBLE)`;
  return `(regexp_full_match(${text}, ${quoteLiteral(plain)}) OR (contains(lower(${text}), 'e') AND abs(${number}) < ${2 ** 53} AND ${number} = ${value}::DOUBLE))`;
}

/** By type, with the text and its value as SQL. The reader's time zone is UTC, so that an offset of 0 is none. */
const OTHERS: Readonly<Record<string, (text: string, value: string) => string>> = {
  DATE: isSameInstant,
  TIME: (text) => `regexp_matches(${text}, '^\\s*[0-9]{1,2}:')`,
  TIMESTAMP_S: isSameInstant,
  TIMESTAMP_MS: isSameInstant,
  TIMESTAMP_NS: isSameInstant,
};

function isSameInstant(text: string, value: string): string {
  return `${value}::TIMESTAMP = TRY_CAST(${text} AS TIMESTAMPTZ)::TIMESTAMP`;
}
