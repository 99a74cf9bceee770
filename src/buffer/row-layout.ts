import { type Column, columnNamed, type TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import { quoteIdentifier } from "../duck/sql.ts";

/** Up to this many physical columns DuckDB's default 256 KiB blocks fit into 16 MB; beyond, 16 KiB blocks are needed. */
const WIDE_COLUMNS = 8;
const SMALL_BLOCK_BYTES = 16_384;
/** Measured with 16 KiB blocks: 30 columns need 4 MB, 100 columns 10 MB; this leaves room for strings. */
const MEMORY_BASE_MB = 4;
const MEMORY_PER_COLUMN_MB = 0.15;
/** A COMMIT holds a block of the rows that come and one of those that are there: 8 columns of 256 KiB blocks need 8 MB. */
const MEMORY_PER_LARGE_BLOCK_COLUMN_MB = 0.5;

/**
 * The name of the column that holds a row's op (index into OPS): it exists in segments of keyed tables alone, and is the
 * last one. Underscores are added while a column of the table has that name.
 */
export function opColumnOf(columns: readonly Column[]): string {
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  let name = "_eider_op";
  while (taken.has(name)) name += "_";
  return name;
}

const layoutsByShape = new WeakMap<TableShape, RowLayout>();

/** How a target's rows are stored in a segment: the table `rows`, and what its DuckDB instance needs for it. */
export class RowLayout {
  readonly target: Target;
  readonly id: string | undefined;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  /** Undefined for append-only tables. */
  readonly opColumn: string | undefined;
  readonly #identity: string;

  constructor(shape: TableShape) {
    this.target = shape.target;
    this.id = shape.id;
    this.columns = shape.columns;
    this.primaryKey = shape.primaryKey;
    this.opColumn = shape.primaryKey.length > 0 ? opColumnOf(shape.columns) : undefined;
    this.#identity = JSON.stringify([
      shape.id,
      shape.columns.map((column) => [column.name, column.type, column.nullable, column.id, column.default]),
      shape.primaryKey,
    ]);
  }

  /** This layout for rows that were matched by name to the other one: they belong to that table and its columns. */
  withIdsOf(other: RowLayout): RowLayout {
    const columns = this.columns.map((column) => {
      const id = columnNamed(other.columns, column.name)?.id;
      return { ...column, id };
    });
    return new RowLayout({ target: this.target, id: other.id, columns, primaryKey: this.primaryKey });
  }

  /** The same object for the same description: the lake's are kept as long as the table is as it was. */
  static of(shape: TableShape): RowLayout {
    const layout = layoutsByShape.get(shape) ?? new RowLayout(shape);
    layoutsByShape.set(shape, layout);
    return layout;
  }

  sameAs(other: RowLayout): boolean {
    return this === other || this.#identity === other.#identity;
  }

  /** Same key columns, whatever their order or case: only then rows of both can be compacted together. */
  sameKeyAs(other: RowLayout): boolean {
    const names = (layout: RowLayout) => layout.primaryKey.map((name) => name.toLowerCase()).sort();
    return JSON.stringify(names(this)) === JSON.stringify(names(other));
  }

  isKey(column: Column): boolean {
    return this.primaryKey.some((name) => name.toLowerCase() === column.name.toLowerCase());
  }

  /**
   * The column list of CREATE TABLE. No NOT NULL: a delete carries the key alone; a BatchPlan checks each batch instead.
   */
  get definition(): string {
    const columns = this.columns.map((column) => `${quoteIdentifier(column.name)} ${column.type}`);
    if (this.opColumn !== undefined) columns.push(`${quoteIdentifier(this.opColumn)} UTINYINT`);
    return columns.join(", ");
  }

  /** Of a new file; undefined: DuckDB's own 256 KiB. `isTight`: it does not have the whole of `buffer_memory_mb`. */
  blockBytes(isTight = false): number | undefined {
    return isTight || this.#physicalColumns() > WIDE_COLUMNS ? SMALL_BLOCK_BYTES : undefined;
  }

  /** What the memory_limit of an instance with a file of such blocks must be at least, in MB. */
  memoryMb(blockBytes: number | undefined): number {
    const perColumnMb = blockBytes === undefined ? MEMORY_PER_LARGE_BLOCK_COLUMN_MB : MEMORY_PER_COLUMN_MB;
    return Math.ceil(MEMORY_BASE_MB + perColumnMb * this.#physicalColumns());
  }

  /** Nested members have storage of their own: each one shows in the type's text as a comma, a bracket or a parenthesis. */
  #physicalColumns(): number {
    const members = (type: string) => type.replace(/DECIMAL\(\d+,\s*\d+\)/gi, "").match(/[,([]/g)?.length ?? 0;
    return this.columns.reduce((count, column) => count + 1 + members(column.type), 0);
  }
}
