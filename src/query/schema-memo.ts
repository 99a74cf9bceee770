import duckdb from "@duckdb/node-bindings";
import { Schema } from "apache-arrow";
import { encodeSchema } from "../arrow/schema.ts";
import { describedFieldOf, type ResultTypeOptions } from "../arrow/types.ts";
import { RecentMap } from "../base/recent-map.ts";

const { Type } = duckdb;

/** Types that their number alone does not tell. */
const WITH_PARTS: ReadonlySet<number> = new Set([
  Type.DECIMAL,
  Type.ENUM,
  Type.LIST,
  Type.ARRAY,
  Type.STRUCT,
  Type.MAP,
  Type.UNION,
]);

/** Texts longer than this are not kept as keys. */
const LONGEST_KEY = 2000;
const known = new RecentMap<string, Uint8Array>(256);

/**
 * The schema message of a result. A statement's is needed when it is prepared and when it runs, and building one costs as
 * much as a short query: those of plain types are remembered.
 */
export function resultSchema(
  columns: ReadonlyArray<{ readonly name: string; readonly type: duckdb.LogicalType }>,
  types: ResultTypeOptions,
): Uint8Array {
  const key = keyOf(columns, types);
  const found = key === undefined ? undefined : known.get(key);
  if (found) return found;
  const bytes = encodeSchema(new Schema(columns.map(({ name, type }) => describedFieldOf(name, type, true, types))));
  if (key !== undefined && key.length <= LONGEST_KEY) known.set(key, bytes);
  return bytes;
}

function keyOf(
  columns: ReadonlyArray<{ readonly name: string; readonly type: duckdb.LogicalType }>,
  { widenUnsigned = false }: ResultTypeOptions,
): string | undefined {
  const parts: Array<string | number | boolean> = [widenUnsigned];
  for (const { name, type } of columns) {
    const id = duckdb.get_type_id(type);
    if (WITH_PARTS.has(id)) return undefined;
    // JSON is a VARCHAR by another name, which the schema tells.
    parts.push(name, id, duckdb.logical_type_get_alias(type) ?? "");
  }
  return JSON.stringify(parts);
}
