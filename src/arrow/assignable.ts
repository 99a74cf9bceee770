import type { Column } from "../base/table.ts";
import { EiderError } from "../errors.ts";
import { NULL_TYPE, parseType, type TypeNode } from "./type-text.ts";

export type Assignability = "same" | "cast" | "no";

/** Integer types: decimal digits of the largest value, bits, and whether negative values are in range. */
const INTEGERS: Readonly<Record<string, { digits: number; bits: number; signed: boolean }>> = {
  TINYINT: { digits: 3, bits: 8, signed: true },
  SMALLINT: { digits: 5, bits: 16, signed: true },
  INTEGER: { digits: 10, bits: 32, signed: true },
  BIGINT: { digits: 19, bits: 64, signed: true },
  HUGEINT: { digits: 39, bits: 128, signed: true },
  UTINYINT: { digits: 3, bits: 8, signed: false },
  USMALLINT: { digits: 5, bits: 16, signed: false },
  UINTEGER: { digits: 10, bits: 32, signed: false },
  UBIGINT: { digits: 20, bits: 64, signed: false },
  UHUGEINT: { digits: 39, bits: 128, signed: false },
};

/** Bits of an integer that a float holds exactly. */
const MANTISSA_BITS: Readonly<Record<string, number>> = { FLOAT: 24, DOUBLE: 53 };

/** Casts that lose nothing, or where DuckDB refuses the value itself; nanoseconds are cut because pandas sends nothing else. */
const CASTS: Readonly<Record<string, readonly string[]>> = {
  FLOAT: ["DOUBLE"],
  // Not TIMESTAMP_S: it would take DATE's infinity, which the lake cannot write as seconds.
  DATE: ["TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"],
  TIMESTAMP_S: ["TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"],
  TIMESTAMP_MS: ["TIMESTAMP", "TIMESTAMP_NS"],
  TIMESTAMP: ["TIMESTAMP_NS"],
  TIMESTAMP_NS: ["TIMESTAMP"],
  VARCHAR: ["JSON", "UUID"],
  JSON: ["VARCHAR"],
  UUID: ["VARCHAR"],
};

/**
 * Whether values of one DuckDB type may go into a column of another: `same` as they are, `cast` by a CAST that keeps
 * them, `no` otherwise. Types are DuckDB's SQL texts; both spellings of a type are the same.
 */
export function isAssignable(fromDuckType: string, toDuckType: string): Assignability {
  return fromDuckType === toDuckType ? "same" : compare(parseType(fromDuckType), parseType(toDuckType));
}

function compare(from: TypeNode, to: TypeNode): Assignability {
  if (from.name === NULL_TYPE) return "same";
  if (to.name === NULL_TYPE) return from.name === "INTEGER" ? "same" : "no";
  if (from.name !== to.name) return widens(from, to) ? "cast" : "no";
  if (from.children.length > 0 || to.children.length > 0) return compareNested(from, to);
  if (from.args.join() === to.args.join()) return "same";
  return widens(from, to) ? "cast" : "no";
}

function widens(from: TypeNode, to: TypeNode): boolean {
  const whole = INTEGERS[from.name];
  if (whole) {
    const target = INTEGERS[to.name];
    if (target)
      return target.signed === whole.signed ? target.bits > whole.bits : target.signed && target.bits > whole.bits;
    if (to.name === "DECIMAL") return integerDigits(to) >= whole.digits;
    return whole.bits - (whole.signed ? 1 : 0) <= (MANTISSA_BITS[to.name] ?? 0);
  }
  if (from.name === "DECIMAL" && to.name === "DECIMAL") {
    return Number(to.args[1]) >= Number(from.args[1]) && integerDigits(to) >= integerDigits(from);
  }
  return CASTS[from.name]?.includes(to.name) ?? false;
}

function integerDigits(decimal: TypeNode): number {
  return Number(decimal.args[0]) - Number(decimal.args[1]);
}

/** STRUCT members go by name, as DuckDB's cast does; another order needs the cast. */
function compareNested(from: TypeNode, to: TypeNode): Assignability {
  if (from.children.length !== to.children.length || from.args.join() !== to.args.join()) return "no";
  const byName = from.name === "STRUCT";
  let result: Assignability = "same";
  for (const [index, member] of to.children.entries()) {
    const name = member.name.toLowerCase();
    const position = byName ? from.children.findIndex((each) => each.name.toLowerCase() === name) : index;
    const source = from.children[position];
    const each = source ? compare(source.type, member.type) : "no";
    if (each === "no") return "no";
    if (each === "cast" || position !== index) result = "cast";
  }
  return result;
}

/** What DuckLake 1.5.5 refuses, or takes and then stores wrongly or dies of; and what to use instead. */
const UNSTORABLE: Readonly<Record<string, string>> = {
  HUGEINT: "DuckLake stores it as DOUBLE; use BIGINT or DECIMAL(38,0)",
  UHUGEINT: "DuckLake stores it as DOUBLE; use UBIGINT, DECIMAL(38,0) or VARCHAR",
  TIME_NS: "DuckLake cannot write it; use TIME, or BIGINT for nanoseconds",
  "TIME WITH TIME ZONE": "DuckLake keeps it without its offset; use TIME and a column for the offset, or VARCHAR",
  BIT: "DuckLake has no BIT; use VARCHAR or BLOB",
  ENUM: "DuckLake has no ENUM; use VARCHAR",
  UNION: "DuckLake has no UNION; use a STRUCT with a column per member, or JSON",
  ARRAY: "DuckLake has no arrays of fixed size; use a list",
  BIGNUM: "DuckLake has no BIGNUM; use DECIMAL(38,0) or VARCHAR",
};

/** Throws type_unsupported, naming the column and what to use instead, when the lake cannot keep the column's values. */
export function refuseUnstorable(column: Column): void {
  const walk = (type: TypeNode): void => {
    const reason = UNSTORABLE[type.name];
    if (reason !== undefined) {
      throw new EiderError(
        "type_unsupported",
        `column "${column.name}" of type ${column.type} cannot be kept in the lake: ${reason}`,
      );
    }
    for (const child of type.children) walk(child.type);
  };
  walk(parseType(column.type));
}
