import duckdb from "@duckdb/node-bindings";
import { must } from "../base/assert.ts";
import { EiderError } from "../errors.ts";
import { NULL_TYPE, parseType, type TypeNode } from "./type-text.ts";

const { Type } = duckdb;

const SIMPLE: Readonly<Record<string, duckdb.Type>> = {
  BOOLEAN: Type.BOOLEAN,
  TINYINT: Type.TINYINT,
  SMALLINT: Type.SMALLINT,
  INTEGER: Type.INTEGER,
  BIGINT: Type.BIGINT,
  HUGEINT: Type.HUGEINT,
  UTINYINT: Type.UTINYINT,
  USMALLINT: Type.USMALLINT,
  UINTEGER: Type.UINTEGER,
  UBIGINT: Type.UBIGINT,
  UHUGEINT: Type.UHUGEINT,
  FLOAT: Type.FLOAT,
  DOUBLE: Type.DOUBLE,
  VARCHAR: Type.VARCHAR,
  BLOB: Type.BLOB,
  UUID: Type.UUID,
  DATE: Type.DATE,
  TIME: Type.TIME,
  "TIME WITH TIME ZONE": Type.TIME_TZ,
  TIMESTAMP: Type.TIMESTAMP,
  TIMESTAMP_S: Type.TIMESTAMP_S,
  TIMESTAMP_MS: Type.TIMESTAMP_MS,
  TIMESTAMP_NS: Type.TIMESTAMP_NS,
  "TIMESTAMP WITH TIME ZONE": Type.TIMESTAMP_TZ,
  INTERVAL: Type.INTERVAL,
  [NULL_TYPE]: Type.INTEGER,
};

/** The DuckDB type that a SQL type text stands for; throws type_unsupported for those that `duckTypeOf` never gives. */
export function logicalTypeOf(text: string): duckdb.LogicalType {
  return build(parseType(text));
}

function build(node: TypeNode): duckdb.LogicalType {
  const simple = SIMPLE[node.name];
  if (simple !== undefined) return duckdb.create_logical_type(simple);
  const types = node.children.map((child) => build(child.type));
  if (node.name === "DECIMAL") return duckdb.create_decimal_type(Number(node.args[0]), Number(node.args[1]));
  if (node.name === "LIST") return duckdb.create_list_type(must(types[0], "a list's element type"));
  if (node.name === "MAP") return duckdb.create_map_type(must(types[0], "a key type"), must(types[1], "a value type"));
  if (node.name === "STRUCT") {
    return duckdb.create_struct_type(
      types,
      node.children.map((child) => child.name),
    );
  }
  if (node.name === "JSON") {
    const type = duckdb.create_logical_type(Type.VARCHAR);
    duckdb.logical_type_set_alias(type, "JSON");
    return type;
  }
  throw new EiderError("type_unsupported", `values of type ${node.name} cannot be made here`);
}
