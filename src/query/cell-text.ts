import {
  type DuckDBArrayType,
  type DuckDBArrayValue,
  type DuckDBBlobValue,
  type DuckDBDateValue,
  type DuckDBDecimalType,
  type DuckDBDecimalValue,
  type DuckDBListType,
  type DuckDBListValue,
  type DuckDBMapType,
  type DuckDBMapValue,
  type DuckDBStructType,
  type DuckDBStructValue,
  type DuckDBTimestampMillisecondsValue,
  type DuckDBTimestampNanosecondsValue,
  type DuckDBTimestampSecondsValue,
  type DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBUnionType,
  type DuckDBUnionValue,
  type DuckDBValue,
} from "../duck/node-api.ts";
import { EiderError } from "../errors.ts";

/** How values of one column are written as text. */
export interface CellText {
  /** The value in full; nested values as JSON. Never called with NULL. */
  text(value: DuckDBValue): string;
  /** Whether JSON takes the text as it is; otherwise it is a string. */
  isBare(value: DuckDBValue): boolean;
}

export type CellTextMaker = (type: DuckDBType, path: string) => CellText;

/** Digits that a double, which most JSON readers make of a number, keeps for certain. */
const DOUBLE_DIGITS = 15;
const TOO_MANY_DIGITS = 10n ** BigInt(DOUBLE_DIGITS);
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const FLOAT_DIGITS = { least: 6, most: 9 };

const always = () => true;
const never = () => false;

function hasFewDigits(value: DuckDBValue): boolean {
  const { value: digits } = value as DuckDBDecimalValue;
  return digits < TOO_MANY_DIGITS && digits > -TOO_MANY_DIGITS;
}

const plain: CellText = { text: String, isBare: never };
const flags: CellText = { text: String, isBare: always };
const integers: CellText = { text: String, isBare: always };
/** A number while every JSON reader keeps it exact, else its digits as a string. */
const wideIntegers: CellText = {
  text: String,
  isBare: (value) => (value as bigint) <= MAX_SAFE && (value as bigint) >= -MAX_SAFE,
};
/** JSON has no NaN and no infinities, and null would be NULL. */
const doubles: CellText = {
  text: (value) => (Object.is(value, -0) ? "-0.0" : String(value)),
  isBare: (value) => Number.isFinite(value),
};
const floats: CellText = { text: (value) => shortestFloat(value as number), isBare: doubles.isBare };
const isoDateTimes: CellText = { text: (value) => isoText(String(value)), isBare: never };

const DATE_INFINITY = 2 ** 31 - 1;
const TIMESTAMP_INFINITY = 2n ** 63n - 1n;

/** Of the types' infinities the binding knows only those of TIMESTAMP: of the others it prints the day after the last. */
function orInfinity<T extends DuckDBValue, N extends number | bigint>(infinity: N, amount: (value: T) => N): CellText {
  return {
    text(value) {
      const number = amount(value as T);
      if (number === infinity) return "infinity";
      return number === -infinity ? "-infinity" : isoText(String(value));
    },
    isBare: never,
  };
}

const dates = orInfinity(DATE_INFINITY, (value: DuckDBDateValue) => value.days);
const seconds = orInfinity(TIMESTAMP_INFINITY, (value: DuckDBTimestampSecondsValue) => value.seconds);
const milliseconds = orInfinity(TIMESTAMP_INFINITY, (value: DuckDBTimestampMillisecondsValue) => value.millis);
const nanoseconds = orInfinity(TIMESTAMP_INFINITY, (value: DuckDBTimestampNanosecondsValue) => value.nanos);

/** THE table of how types become text, by DuckDB's type; what has no row is text as DuckDB prints it. */
const ROWS: Readonly<Partial<Record<DuckDBTypeId, CellTextMaker>>> = {
  [DuckDBTypeId.BOOLEAN]: () => flags,
  [DuckDBTypeId.TINYINT]: () => integers,
  [DuckDBTypeId.SMALLINT]: () => integers,
  [DuckDBTypeId.INTEGER]: () => integers,
  [DuckDBTypeId.UTINYINT]: () => integers,
  [DuckDBTypeId.USMALLINT]: () => integers,
  [DuckDBTypeId.UINTEGER]: () => integers,
  [DuckDBTypeId.BIGINT]: () => wideIntegers,
  [DuckDBTypeId.UBIGINT]: () => wideIntegers,
  [DuckDBTypeId.HUGEINT]: () => wideIntegers,
  [DuckDBTypeId.UHUGEINT]: () => wideIntegers,
  [DuckDBTypeId.BIGNUM]: () => wideIntegers,
  [DuckDBTypeId.FLOAT]: () => floats,
  [DuckDBTypeId.DOUBLE]: () => doubles,
  [DuckDBTypeId.DECIMAL]: (type) => ({
    text: String,
    isBare: (type as DuckDBDecimalType).width <= DOUBLE_DIGITS ? always : hasFewDigits,
  }),
  [DuckDBTypeId.BLOB]: () => ({
    text: (value) => Buffer.from((value as DuckDBBlobValue).bytes).toString("base64"),
    isBare: never,
  }),
  [DuckDBTypeId.DATE]: () => dates,
  [DuckDBTypeId.TIMESTAMP]: () => isoDateTimes,
  [DuckDBTypeId.TIMESTAMP_S]: () => seconds,
  [DuckDBTypeId.TIMESTAMP_MS]: () => milliseconds,
  [DuckDBTypeId.TIMESTAMP_NS]: () => nanoseconds,
  [DuckDBTypeId.TIMESTAMP_TZ]: () => ({
    text(value) {
      const text = isoText(String(new DuckDBTimestampValue((value as DuckDBTimestampTZValue).micros)));
      return text.endsWith("infinity") ? text : `${text}Z`;
    },
    isBare: never,
  }),
  [DuckDBTypeId.LIST]: (type, path) => lists((type as DuckDBListType).valueType, path),
  [DuckDBTypeId.ARRAY]: (type, path) => lists((type as DuckDBArrayType).valueType, path),
  [DuckDBTypeId.STRUCT]: (type, path) => structs(type as DuckDBStructType, path),
  [DuckDBTypeId.MAP]: (type, path) => maps(type as DuckDBMapType, path),
  [DuckDBTypeId.UNION]: (type, path) => unions(type as DuckDBUnionType, path),
};

/** Throws `type_unsupported`, naming the column, where values could not be told apart. */
export const cellTextOf: CellTextMaker = (type, path) => ROWS[type.typeId]?.(type, path) ?? plain;

export function jsonOf(cell: CellText, value: DuckDBValue | undefined): string {
  if (value === null || value === undefined) return "null";
  return cell.isBare(value) ? cell.text(value) : JSON.stringify(cell.text(value));
}

/** `2024-01-02 03:04:05` → `2024-01-02T03:04:05`; infinities stay. */
function isoText(text: string): string {
  // The binding has a year 0, which is 1 BC to DuckDB.
  return text.replace(/^0000(-\d\d-\d\d)/, "0001$1 (BC)").replace(/^(\S+) (?=\d)/, "$1T");
}

/** The shortest digits that give this 32-bit number again. */
function shortestFloat(value: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return doubles.text(value);
  for (let digits = FLOAT_DIGITS.least; digits < FLOAT_DIGITS.most; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(FLOAT_DIGITS.most)));
}

function lists(element: DuckDBType, path: string): CellText {
  const cell = cellTextOf(element, path);
  const text = (value: DuckDBValue) =>
    `[${(value as DuckDBListValue | DuckDBArrayValue).items.map((item) => jsonOf(cell, item)).join(",")}]`;
  return { text, isBare: always };
}

function structs({ entryNames, entryTypes }: DuckDBStructType, path: string): CellText {
  if (new Set(entryNames).size < entryNames.length) {
    throw new EiderError(
      "type_unsupported",
      `column "${path}" is a struct whose fields have no names; give them some: {'a': 1, 'b': 2}`,
    );
  }
  // The binding gives a struct as an object, whose prototype would be assigned to.
  if (entryNames.includes("__proto__"))
    throw new EiderError("type_unsupported", `column "${path}" is a struct with a field __proto__; name it otherwise`);
  const fields = entryNames.map((name, i) => ({
    name,
    key: JSON.stringify(name),
    cell: cellTextOf(entryTypes[i] as DuckDBType, `${path}.${name}`),
  }));
  const text = (value: DuckDBValue) => {
    const { entries } = value as DuckDBStructValue;
    return `{${fields.map(({ name, key, cell }) => `${key}:${jsonOf(cell, entries[name])}`).join(",")}}`;
  };
  return { text, isBare: always };
}

/** Keys of a JSON object are texts. */
function maps({ keyType, valueType }: DuckDBMapType, path: string): CellText {
  const key = cellTextOf(keyType, path);
  const cell = cellTextOf(valueType, path);
  const text = (value: DuckDBValue) => {
    const entries = (value as DuckDBMapValue).entries.map(
      (entry) => `${JSON.stringify(key.text(entry.key))}:${jsonOf(cell, entry.value)}`,
    );
    return `{${entries.join(",")}}`;
  };
  return { text, isBare: always };
}

/** The member's name and its value. */
function unions({ memberTags, memberTypes }: DuckDBUnionType, path: string): CellText {
  const cells = new Map(memberTags.map((tag, i) => [tag, cellTextOf(memberTypes[i] as DuckDBType, path)]));
  const text = (value: DuckDBValue) => {
    const { tag, value: member } = value as DuckDBUnionValue;
    return `{${JSON.stringify(tag)}:${jsonOf(cells.get(tag) ?? plain, member)}}`;
  };
  return { text, isBare: always };
}
