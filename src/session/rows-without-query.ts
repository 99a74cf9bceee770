import { Schema } from "apache-arrow";
import { decodeSchema, encodeSchema } from "../arrow/schema.ts";
import { columnsOf, isAssignable } from "../arrow/types.ts";
import { type Column, columnNamed, type TableShape } from "../base/table.ts";
import type { ArrowMessage } from "../buffer/types.ts";
import type { Parameters } from "../flight/backend.ts";
import { literalBatch } from "../query/literal-batch.ts";
import type { ValuesList } from "../query/values-list.ts";

/** Batches as a buffer takes them; their memory is the caller's own. */
export interface Batches {
  /** Bare flatbuffer `Message` of the schema, whose columns are named as the table's. */
  readonly schema: Uint8Array;
  readonly batches: readonly ArrowMessage[];
}

/**
 * The rows of an INSERT's VALUES as they would come out of a query that casts them to the table's columns; undefined
 * where a query has to make them, or to say what is wrong with them.
 */
export function batchesWithoutQuery(
  shape: TableShape,
  named: readonly string[] | undefined,
  values: ValuesList | undefined,
  parameters: Parameters | undefined,
): Batches | undefined {
  const columns = values && columnsFor(shape, named);
  if (!columns) return undefined;
  if (values.kind === "parameters") return parameters && boundBatches(columns, values.count, parameters);
  if (parameters) return undefined;
  const batch = literalBatch(columns, values.rows);
  return batch && { schema: batch.schema, batches: batch.frames };
}

/** Undefined when one is unknown or named twice, or when DuckDB would compute a default for one that is not named. */
function columnsFor(shape: TableShape, named: readonly string[] | undefined): readonly Column[] | undefined {
  if (!named) return shape.columns;
  const found = named.map((name) => columnNamed(shape.columns, name));
  if (!found.every((column) => column !== undefined) || new Set(found).size < found.length) return undefined;
  const hasDefaults = shape.columns.some((column) => column.default !== undefined && !found.includes(column));
  return hasDefaults ? undefined : found;
}

const schemas = new WeakMap<Schema, { readonly names: string; readonly bytes: Uint8Array }>();

/** The schema with the columns' names, as bytes: the same object for a schema that is bound over and over. */
function renamed(schema: Schema, columns: readonly Column[]): Uint8Array {
  const names = JSON.stringify(columns.map(({ name }) => name));
  const known = schemas.get(schema);
  if (known?.names === names) return known.bytes;
  const fields = schema.fields.map((field, i) => field.clone({ name: columns[i]?.name ?? field.name }));
  const bytes = encodeSchema(new Schema(fields, schema.metadata, schema.dictionaries));
  schemas.set(schema, { names, bytes });
  return bytes;
}

/** Parameters are copied: they stay bound for the next execution. */
function boundBatches(columns: readonly Column[], count: number, parameters: Parameters): Batches | undefined {
  const bound = decodeSchema(parameters.schema);
  if (count !== columns.length || bound.fields.length !== count) return undefined;
  const types = typesOf(bound);
  const fits = types?.every((type, i) => isAssignable(type, columns[i]?.type ?? "") !== "no");
  if (!fits) return undefined;
  return {
    schema: renamed(bound, columns),
    batches: parameters.batches.map(({ header, body }) => ({
      header: new Uint8Array(header),
      body: new Uint8Array(body),
    })),
  };
}

/** Undefined when one of them is of a type that cannot be stored. */
function typesOf(schema: Schema): readonly string[] | undefined {
  try {
    return columnsOf(schema).map(({ type }) => type);
  } catch {
    return undefined;
  }
}
