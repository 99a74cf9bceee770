import duckdb from "@duckdb/node-bindings";
import type { Schema } from "apache-arrow";
import { nullCountOf, type RecordBatchView } from "../arrow/decode.ts";
import { columnsOf, isAssignable } from "../arrow/types.ts";
import type { ColumnSource } from "../arrow/write.ts";
import type { Column } from "../base/table.ts";
import { targetName } from "../base/target.ts";
import { quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import type { RowLayout } from "./row-layout.ts";
import { OPS, type Op } from "./types.ts";

/** Rows go through a temporary table of the batch's own types when a column's type differs from the target's. */
export interface CastPlan {
  /** Column list of the temporary table; the op is its last column when the layout has one. */
  readonly definition: string;
  readonly selectList: string;
  /** Batches of equal text can share one temporary table. */
  readonly key: string;
}

const CAST_OP_COLUMN = "_eider_cast_op";

/** What a column gets that the batches do not have: NULL, or its default, as an INSERT without it gives it. */
export type Missing = "null" | "default";

type Plans = Record<Missing, WeakMap<Schema, BatchPlan>>;
const plansByLayout = new WeakMap<RowLayout, Plans>();

/** How the columns of a stream's batches become a segment's rows; made once per schema message and layout. */
export class BatchPlan {
  readonly layout: RowLayout;
  readonly cast: CastPlan | undefined;
  readonly #sourcesByOp: ReadonlyArray<readonly ColumnSource[]>;
  /** Index in the batch per column of the layout; undefined: the batch has no such column. */
  readonly #indexes: ReadonlyArray<number | undefined>;
  readonly #missing: Missing;

  private constructor(
    layout: RowLayout,
    columns: readonly Column[],
    indexes: ReadonlyArray<number | undefined>,
    missing: Missing,
  ) {
    this.layout = layout;
    this.#indexes = indexes;
    this.#missing = missing;
    this.cast = castPlan(layout, columns, indexes, missing);
    const sources: ColumnSource[] = this.cast
      ? columns.map((_, index) => ({ kind: "column", index }))
      : indexes.map((index) => (index === undefined ? { kind: "null" } : { kind: "column", index }));
    const withOp = (op: number): ColumnSource[] => [...sources, { kind: "constant", value: duckdb.create_uint8(op) }];
    this.#sourcesByOp = OPS.map((_, op) => (layout.opColumn === undefined ? sources : withOp(op)));
  }

  /** Throws schema_mismatch, naming the column, when a column is unknown, twice there, or of a type that does not fit. */
  static match(schema: Schema, layout: RowLayout, missing: Missing): BatchPlan {
    const plans: Plans = plansByLayout.get(layout) ?? { null: new WeakMap(), default: new WeakMap() };
    plansByLayout.set(layout, plans);
    const plan = plans[missing].get(schema) ?? BatchPlan.matchColumns(columnsOf(schema), layout, missing);
    plans[missing].set(schema, plan);
    return plan;
  }

  static matchColumns(columns: readonly Column[], layout: RowLayout, missing: Missing = "null"): BatchPlan {
    const positions = new Map(layout.columns.map((column, index) => [column.name.toLowerCase(), index]));
    const indexes: Array<number | undefined> = layout.columns.map(() => undefined);
    const table = targetName(layout.target);
    for (const [index, column] of columns.entries()) {
      const position = positions.get(column.name.toLowerCase());
      const known = position === undefined ? undefined : layout.columns[position];
      if (position === undefined || known === undefined) {
        const names = layout.columns.map((each) => each.name).join(", ");
        throw new EiderError(
          "schema_mismatch",
          `table ${table} has no column "${column.name}"; its columns are ${names}`,
        );
      }
      if (indexes[position] !== undefined) {
        throw new EiderError("schema_mismatch", `column "${column.name}" is in the batch twice (names ignore case)`);
      }
      if (isAssignable(column.type, known.type) === "no") {
        throw new EiderError(
          "schema_mismatch",
          `column "${column.name}" is ${column.type} in the batch but ${known.type} in table ${table}; send it as ${known.type}`,
        );
      }
      indexes[position] = index;
    }
    return new BatchPlan(layout, columns, indexes, missing);
  }

  get defaultOp(): Op {
    return this.layout.opColumn === undefined ? "insert" : "upsert";
  }

  sources(op: Op): readonly ColumnSource[] {
    return this.#sourcesByOp[OPS.indexOf(op)] ?? [];
  }

  checkOp(op: Op): void {
    if (op === "insert" || this.layout.opColumn !== undefined) return;
    const table = targetName(this.layout.target);
    throw new EiderError(
      "primary_key_missing",
      `op "${op}" needs a primary key, and table ${table} has none; set one with CALL eider_set_primary_key('${table}', ['column'])`,
    );
  }

  /** Throws constraint_violated, naming the column, when a key column or (unless it is a delete) a NOT NULL column is NULL. */
  check(batch: RecordBatchView, op: Op): void {
    if (batch.rowCount === 0) return;
    for (const [position, column] of this.layout.columns.entries()) {
      const isKey = this.layout.isKey(column);
      if (!isKey && (column.nullable || op === "delete")) continue;
      const index = this.#indexes[position];
      if (index === undefined && this.#missing === "default" && column.default !== undefined) continue;
      const view = index === undefined ? undefined : batch.columns[index];
      if (view !== undefined && nullCountOf(view) === 0) continue;
      const what = isKey ? "is part of the primary key" : "is NOT NULL";
      const how = view === undefined ? "missing from the batch" : "NULL in at least one of the batch's rows";
      throw new EiderError(
        "constraint_violated",
        `column "${column.name}" of table ${targetName(this.layout.target)} ${what}, but is ${how}; nothing of the batch was stored`,
      );
    }
  }
}

function castPlan(
  layout: RowLayout,
  columns: readonly Column[],
  indexes: ReadonlyArray<number | undefined>,
  missing: Missing,
): CastPlan | undefined {
  const isSame = indexes.every((index, position) => {
    const from = index === undefined ? undefined : columns[index];
    const to = layout.columns[position];
    if (from === undefined) return missing === "null" || to?.default === undefined;
    return to === undefined || isAssignable(from.type, to.type) === "same";
  });
  if (isSame) return undefined;
  const definition = columns.map((column) => `${quoteIdentifier(column.name)} ${column.type}`);
  const values = layout.columns.map((column, position) => {
    const index = indexes[position];
    const from = index === undefined ? undefined : columns[index];
    if (from !== undefined) return `CAST(${quoteIdentifier(from.name)} AS ${column.type})`;
    return missing === "default" && column.default !== undefined ? `CAST(${column.default} AS ${column.type})` : "NULL";
  });
  if (layout.opColumn !== undefined) {
    definition.push(`${quoteIdentifier(CAST_OP_COLUMN)} UTINYINT`);
    values.push(quoteIdentifier(CAST_OP_COLUMN));
  }
  const [defined, selected] = [definition.join(", "), values.join(", ")];
  return { definition: defined, selectList: selected, key: `${defined}\n${selected}` };
}
