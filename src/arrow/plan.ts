import { type Dictionary, type Field, type FixedSizeList, type Schema, Type } from "apache-arrow";
import { EiderError } from "../errors.ts";
import { arrowRowOf, duckTypeAt, type Layout, valueFieldOf } from "./arrow-types.ts";
import type { Converter } from "./convert.ts";

/** How one field of a schema is decoded; worked out once per stream. */
export interface ColumnPlan {
  readonly path: string;
  readonly layout: Layout;
  /** Bytes per Arrow value of the `fixed` layout. */
  readonly width: number;
  /** From Arrow's values to DuckDB's, and the checks of each; in this order. */
  readonly convert: readonly Converter[];
  readonly isText: boolean;
  readonly isMap: boolean;
  /** Elements per list of the `fixed-list` layout. */
  readonly listSize: number;
  readonly children: readonly ColumnPlan[];
  readonly dictionary: { readonly id: number; readonly isSigned: boolean; readonly values: ColumnPlan } | undefined;
}

/** Plans of a schema's columns, and of its dictionaries' values by dictionary id. */
export interface SchemaPlan {
  readonly columns: readonly ColumnPlan[];
  readonly dictionaries: ReadonlyMap<number, ColumnPlan>;
}

/** What the values are for: rows for the lake, or a statement's parameters, which need not be storable. */
export type BatchUse = "store" | "bind";

const plansBySchema: Readonly<Record<BatchUse, WeakMap<Schema, SchemaPlan>>> = {
  store: new WeakMap(),
  bind: new WeakMap(),
};

export function planSchema(schema: Schema, use: BatchUse): SchemaPlan {
  const known = plansBySchema[use].get(schema);
  if (known) return known;
  const plan = makePlan(schema, use);
  plansBySchema[use].set(schema, plan);
  return plan;
}

function makePlan(schema: Schema, use: BatchUse): SchemaPlan {
  const dictionaries = new Map<number, ColumnPlan>();
  const types = new Map<number, string>();
  const plan = (field: Field, path: string): ColumnPlan => {
    const row = arrowRowOf(field, path);
    const type = field.type;
    const children = row.layout === "dictionary" ? [] : ((type.children ?? []) as Field[]);
    return {
      path,
      layout: row.layout,
      width: row.layout === "dictionary" ? (type as Dictionary).indices.bitWidth / 8 : (row.width?.(type) ?? 0),
      convert: [row.convert?.(field), row.check?.(type), use === "store" ? row.checkStorable : undefined].filter(
        (step) => step !== undefined,
      ),
      isText: row.isText ?? false,
      isMap: field.typeId === Type.Map,
      listSize: row.layout === "fixed-list" ? (type as FixedSizeList).listSize : 0,
      children: children.map((child) => plan(child, `${path}.${child.name}`)),
      dictionary: row.layout === "dictionary" ? planDictionary(field, path) : undefined,
    };
  };
  const planDictionary = (field: Field, path: string): ColumnPlan["dictionary"] => {
    const { id, indices } = field.type as Dictionary;
    const sql = duckTypeAt(field, path);
    const known = types.get(id);
    if (known !== undefined && known !== sql) {
      throw new EiderError(
        "request_invalid",
        `column "${path}": dictionary ${id} has values of two types, ${known} and ${sql}`,
      );
    }
    types.set(id, sql);
    const values = dictionaries.get(id) ?? plan(valueFieldOf(field), path);
    dictionaries.set(id, values);
    return { id, isSigned: indices.isSigned, values };
  };
  for (const field of schema.fields) duckTypeAt(field, field.name);
  return { columns: schema.fields.map((field) => plan(field, field.name)), dictionaries };
}
