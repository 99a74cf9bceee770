import { EiderError } from "../errors.ts";

/**
 * DuckDB's SQL type text as a tree, so that two spellings of one type compare equal and nested types can be looked into.
 * Reads what DuckDB prints and the synonyms of https://duckdb.org/docs/stable/sql/data_types/overview.
 */
export interface TypeNode {
  /** Canonical name in capitals: `BIGINT`, `DECIMAL`, `LIST`, `STRUCT`, `MAP`, `UNION`, `ARRAY`, `ENUM` … */
  readonly name: string;
  /** Numbers and texts in parentheses: precision and scale, an ARRAY's size, an ENUM's values. */
  readonly args: readonly string[];
  /** Element of a LIST or ARRAY, key and value of a MAP, members of a STRUCT or UNION. */
  readonly children: ReadonlyArray<{ readonly name: string; readonly type: TypeNode }>;
}

/**
 * How Eider spells the column type of Arrow's null type, which holds NULLs alone: an INTEGER under a name that DuckDB
 * understands but never prints, so that `isAssignable` can tell it from a column of integers.
 */
export const NULL_TYPE = "INT4";

const SYNONYMS: Readonly<Record<string, string>> = {
  BOOL: "BOOLEAN",
  LOGICAL: "BOOLEAN",
  INT1: "TINYINT",
  INT2: "SMALLINT",
  SHORT: "SMALLINT",
  INT: "INTEGER",
  SIGNED: "INTEGER",
  INT8: "BIGINT",
  LONG: "BIGINT",
  INT128: "HUGEINT",
  UINT8: "UTINYINT",
  UINT16: "USMALLINT",
  UINT32: "UINTEGER",
  UINT64: "UBIGINT",
  UINT128: "UHUGEINT",
  FLOAT4: "FLOAT",
  REAL: "FLOAT",
  FLOAT8: "DOUBLE",
  "DOUBLE PRECISION": "DOUBLE",
  NUMERIC: "DECIMAL",
  DEC: "DECIMAL",
  TEXT: "VARCHAR",
  STRING: "VARCHAR",
  CHAR: "VARCHAR",
  BPCHAR: "VARCHAR",
  BYTEA: "BLOB",
  BINARY: "BLOB",
  VARBINARY: "BLOB",
  DATETIME: "TIMESTAMP",
  TIMESTAMP_US: "TIMESTAMP",
  "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
  TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
  TIMETZ: "TIME WITH TIME ZONE",
  "TIME WITHOUT TIME ZONE": "TIME",
  BITSTRING: "BIT",
  VARINT: "BIGNUM",
  ROW: "STRUCT",
};

const TOKEN = /\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([\p{L}_][\p{L}\p{N}_$]*|-?\d+)|([()[\],]))/uy;

interface Token {
  readonly kind: "name" | "text" | "word" | "sign" | "end";
  readonly text: string;
}

export function parseType(text: string): TypeNode {
  const parser = new TypeParser(text);
  return parser.whole();
}

class TypeParser {
  readonly #text: string;
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  whole(): TypeNode {
    const type = this.#type();
    if (this.#peek().kind !== "end") throw this.#error();
    return type;
  }

  #type(): TypeNode {
    let type = this.#named();
    while (this.#skip("[")) {
      const size = this.#peek().kind === "word" ? this.#next().text : undefined;
      this.#expect("]");
      const children = [{ name: "element", type }];
      type = size === undefined ? { name: "LIST", args: [], children } : { name: "ARRAY", args: [size], children };
    }
    return type;
  }

  #named(): TypeNode {
    const words: string[] = [];
    if (this.#peek().kind === "name") words.push(this.#next().text);
    else while (this.#peek().kind === "word") words.push(this.#next().text);
    if (words.length === 0) throw this.#error();
    const spelled = words.join(" ").toUpperCase();
    const name = SYNONYMS[spelled] ?? spelled;
    if (!this.#skip("(")) return { name, args: defaultArgs(name), children: [] };
    if (name === "STRUCT" || name === "UNION") return { name, args: [], children: this.#items(() => this.#member()) };
    if (name === "MAP") {
      const [key, value] = this.#items(() => this.#type());
      if (!key || !value) throw this.#error();
      const children = [
        { name: "key", type: key },
        { name: "value", type: value },
      ];
      return { name, args: [], children };
    }
    const args = this.#items(() => this.#next().text);
    // A VARCHAR's length is not kept by DuckDB, nor is a DECIMAL's missing scale anything but 0.
    if (name === "VARCHAR") return { name, args: [], children: [] };
    const padded = name === "DECIMAL" && args.length === 1 ? [...args, "0"] : args;
    // `TIMESTAMP(9) WITH TIME ZONE` is not printed; what follows the parentheses belongs to no type.
    return { name, args: padded, children: [] };
  }

  #member(): { name: string; type: TypeNode } {
    const token = this.#next();
    if (token.kind !== "name" && token.kind !== "word") throw this.#error();
    return { name: token.text, type: this.#type() };
  }

  #items<T>(item: () => T): T[] {
    const items: T[] = [];
    if (this.#skip(")")) return items;
    do items.push(item());
    while (this.#skip(","));
    this.#expect(")");
    return items;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "" };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #skip(sign: string): boolean {
    const token = this.#peek();
    if (token.kind !== "sign" || token.text !== sign) return false;
    this.#at++;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#skip(sign)) throw this.#error();
  }

  #error(): EiderError {
    return new EiderError("type_unsupported", `cannot read the type ${this.#text}`);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < text.trimEnd().length) {
    const match = pattern.exec(text);
    if (!match) throw new EiderError("type_unsupported", `cannot read the type ${text}`);
    const [, name, literal, word, sign] = match;
    if (name !== undefined) tokens.push({ kind: "name", text: name.replaceAll('""', '"') });
    else if (literal !== undefined) tokens.push({ kind: "text", text: literal.replaceAll("''", "'") });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign });
  }
  return tokens;
}

/** `DECIMAL` alone is DECIMAL(18,3) (https://duckdb.org/docs/stable/sql/data_types/numeric). */
function defaultArgs(name: string): readonly string[] {
  return name === "DECIMAL" ? ["18", "3"] : [];
}

/** Whether values of the type hold values of others. */
export function isNested(type: string): boolean {
  return parseType(type).children.length > 0;
}
