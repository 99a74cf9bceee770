import type { Field, Schema } from "apache-arrow";
import type { Column } from "../base/table.ts";
import { duckTypeAt } from "./arrow-types.ts";

export { isAssignable, refuseUnstorable } from "./assignable.ts";
export { columnMetadata, describedFieldOf } from "./column-facts.ts";
export { arrowFieldOf, type ResultTypeOptions } from "./duck-types.ts";

/** DuckDB's SQL type for an Arrow field; throws type_unsupported, naming the field's path and Arrow type, when there is none. */
export function duckTypeOf(field: Field): string {
  return duckTypeAt(field, field.name);
}

const columnsBySchema = new WeakMap<Schema, readonly Column[]>();

/** A table's columns for a schema, in its order. */
export function columnsOf(schema: Schema): readonly Column[] {
  const known = columnsBySchema.get(schema);
  if (known) return known;
  const columns = schema.fields.map((field) => ({
    name: field.name,
    type: duckTypeOf(field),
    nullable: field.nullable,
  }));
  columnsBySchema.set(schema, columns);
  return columns;
}
