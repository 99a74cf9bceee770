/** A column's type, as the model's steps make it and as Arrow sends it. */
export type CellType = "VARCHAR" | "INTEGER" | "BIGINT";
export type Cell = string | number | null;

export interface ModelColumn {
  /** Survives a rename, as DuckLake's own id does. */
  readonly id: number;
  readonly name: string;
  readonly type: CellType;
}

export type ModelRow = ReadonlyMap<number, Cell>;

/** What one table must hold: rows by their `id` column, cells by their column's number. Schema changes apply to all rows. */
export class TableModel {
  readonly name: string;
  readonly isKeyed: boolean;
  columns: readonly ModelColumn[] = [
    { id: 1, name: "a", type: "VARCHAR" },
    { id: 2, name: "b", type: "INTEGER" },
  ];
  readonly rows = new Map<number, ModelRow>();
  #lastColumn = 2;

  constructor(name: string, isKeyed: boolean) {
    this.name = name;
    this.isKeyed = isKeyed;
  }

  write(ids: readonly number[], cells: (id: number, column: ModelColumn) => Cell, sent: readonly ModelColumn[]): void {
    for (const id of ids) this.rows.set(id, new Map(sent.map((column) => [column.id, cells(id, column)])));
  }

  delete(ids: readonly number[]): void {
    for (const id of ids) this.rows.delete(id);
  }

  addColumn(type: CellType): ModelColumn {
    this.#lastColumn++;
    const column = { id: this.#lastColumn, name: `c${this.#lastColumn}`, type };
    this.columns = [...this.columns, column];
    return column;
  }

  dropColumn(id: number): void {
    this.columns = this.columns.filter((column) => column.id !== id);
  }

  changeColumn(id: number, change: Partial<Pick<ModelColumn, "name" | "type">>): void {
    this.columns = this.columns.map((column) => (column.id === id ? { ...column, ...change } : column));
  }

  /** As `SELECT id, … ORDER BY id` gives them, cells as text. */
  get expected(): string[][] {
    const ids = [...this.rows.keys()].sort((a, b) => a - b);
    return ids.map((id) => [
      String(id),
      ...this.columns.map((column) => String(this.rows.get(id)?.get(column.id) ?? "NULL")),
    ]);
  }
}
