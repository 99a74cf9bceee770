import type { Connection } from "../duck/database.ts";
import { functionRule, TABLE_FUNCTIONS } from "./function-rules.ts";

/**
 * What a query reads and calls, by DuckDB's own parse tree (https://duckdb.org/docs/stable/data/json/sql_to_and_from_json):
 * nothing is bound, so that no file is looked at before it is known whether the caller may.
 */

/** A table as the query names it: `[table]`, `[schema, table]` or `[catalog, schema, table]`. */
export type TableName = readonly string[];

export interface QueryTree {
  readonly tables: readonly TableName[];
  /** Functions that not everybody may call. */
  readonly functions: ReadonlyArray<{ readonly name: string; readonly isTable: boolean }>;
  /** Parts that are not known to be harmless. */
  readonly unknown: readonly string[];
}

type Json = { readonly [key: string]: unknown };

/** Undefined: not one SELECT, or not SQL. `known` are the names of DuckDB's own functions that are no table functions. */
export async function queryTree(
  connection: Connection,
  sql: string,
  known: ReadonlySet<string>,
): Promise<QueryTree | undefined> {
  const [row] = await connection.rows(
    "SELECT json_serialize_sql($sql::VARCHAR, skip_null := true, skip_empty := true)::VARCHAR AS tree",
    { sql },
  );
  const tree = JSON.parse(String(row?.["tree"])) as Json;
  const statements = tree["statements"];
  if (tree["error"] !== false || !Array.isArray(statements) || statements.length !== 1) return undefined;
  const reader = new TreeReader(known);
  reader.read(statements[0], new Set());
  return reader;
}

/** Kinds of FROM items (DuckDB's TableReferenceType) that a statement's text can make. */
const SOURCES: ReadonlySet<unknown> = new Set([
  "BASE_TABLE",
  "SUBQUERY",
  "JOIN",
  "TABLE_FUNCTION",
  "EXPRESSION_LIST",
  "EMPTY",
  "EMPTY_FROM",
  "PIVOT",
  "SHOW_REF",
]);
const SOURCE_KEYS: ReadonlySet<string> = new Set(["from_table", "source"]);

/** What SHOW may list: names, no values of settings. */
const SHOWN: ReadonlySet<string> = new Set([
  '"tables"',
  '"databases"',
  '"schemas"',
  '"variables"',
  "__show_tables_expanded",
]);

class TreeReader implements QueryTree {
  readonly tables: TableName[] = [];
  readonly functions: Array<{ name: string; isTable: boolean }> = [];
  readonly unknown: string[] = [];
  readonly #known: ReadonlySet<string>;

  constructor(known: ReadonlySet<string>) {
    this.#known = known;
  }

  /** `ctes`: names of common table expressions that are visible here, in lower case. */
  read(value: unknown, ctes: ReadonlySet<string>): void {
    if (Array.isArray(value)) {
      for (const item of value) this.read(item, ctes);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    const node = value as Json;
    this.#look(node, ctes);
    const visible = this.#readCtes(node, ctes);
    for (const [key, child] of Object.entries(node)) {
      if (key === "cte_map") continue;
      if (SOURCE_KEYS.has(key) || (node["type"] === "JOIN" && (key === "left" || key === "right")))
        this.#requireSource(child);
      const isTableFunction = node["type"] === "TABLE_FUNCTION" && key === "function";
      if (isTableFunction && this.#readTableFunction(child as Json, visible)) continue;
      this.read(
        child,
        node["type"] === "RECURSIVE_CTE_NODE" && key === "right" ? withName(visible, node["cte_name"]) : visible,
      );
    }
  }

  /** A common table expression sees those before it; only a recursive one sees itself. */
  #readCtes(node: Json, ctes: ReadonlySet<string>): ReadonlySet<string> {
    const map = node["cte_map"];
    const entries: unknown = typeof map === "object" && map !== null ? (map as Json)["map"] : undefined;
    if (!Array.isArray(entries)) return ctes;
    let visible = ctes;
    for (const entry of entries as Json[]) {
      this.read(entry["value"], visible);
      visible = withName(visible, entry["key"]);
    }
    return visible;
  }

  #look(node: Json, ctes: ReadonlySet<string>): void {
    const { type } = node;
    if (type === "BASE_TABLE") this.#addTable(node, ctes);
    else if (type === "SHOW_REF") this.#readShow(node);
    else if (node["class"] === "FUNCTION" || node["class"] === "WINDOW") this.#addFunction(node);
  }

  #addTable(node: Json, ctes: ReadonlySet<string>): void {
    const parts = [node["catalog_name"], node["schema_name"], node["table_name"]].filter((part) => part !== undefined);
    const name = parts.map(String);
    if (name.length === 1 && ctes.has(String(name[0]).toLowerCase())) return;
    this.tables.push(name);
  }

  #readShow(node: Json): void {
    const isList = node["show_type"] === "SHOW_FROM" || SHOWN.has(String(node["table_name"]));
    if (node["query"] === undefined && !isList) this.unknown.push(`SHOW ${String(node["table_name"])}`);
  }

  #addFunction(node: Json): void {
    const name = String(node["function_name"]).toLowerCase();
    const isWindowOnly = node["class"] === "WINDOW" && node["type"] !== "WINDOW_AGGREGATE";
    const isQualified = ![undefined, "main", "pg_catalog"].includes(node["schema"] as string | undefined);
    if (isQualified || node["catalog"] !== undefined) {
      this.functions.push({ name: [node["catalog"], node["schema"], name].filter(Boolean).join("."), isTable: false });
    } else if (!isWindowOnly && functionRule(name, node["children"], this.#known) !== "anybody") {
      this.functions.push({ name, isTable: false });
    }
  }

  /** True when its arguments have been read as well. */
  #readTableFunction(node: Json, ctes: ReadonlySet<string>): boolean {
    if (node?.["class"] !== "FUNCTION") return false;
    const name = String(node["function_name"]).toLowerCase();
    const parts = [node["catalog"], node["schema"], name].filter((part) => part !== undefined && part !== "main");
    const isAnybodys = parts.length === 1 && TABLE_FUNCTIONS.get(name) === "read";
    if (!isAnybodys) this.functions.push({ name: parts.join(".").toLowerCase(), isTable: true });
    for (const [key, child] of Object.entries(node)) if (key !== "function_name") this.read(child, ctes);
    return true;
  }

  #requireSource(value: unknown): void {
    const type = typeof value === "object" && value !== null ? (value as Json)["type"] : undefined;
    if (!SOURCES.has(type)) this.unknown.push(String(type));
  }
}

function withName(names: ReadonlySet<string>, name: unknown): ReadonlySet<string> {
  return new Set([...names, String(name).toLowerCase()]);
}
