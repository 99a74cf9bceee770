import { columnNamed, type TableShape } from "../base/table.ts";
import type { Connection } from "../duck/database.ts";
import { quoteIdentifier } from "../duck/sql.ts";

/** A key's column, and its type in DuckDB's words. */
export interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

/** Rows of a table that go by their keys. */
export interface KeyDeletion {
  /** The table's quoted name. */
  readonly from: string;
  readonly key: readonly KeyColumn[];
  /** SELECT of the keys, their columns in the key's order. */
  readonly keysSql: string;
}

/**
 * DuckLake 1.5.5 finds the files of a join by comparing their ranges with the keys' as text of its own making: it leaves
 * out files with some floating-point numbers, whose rows would stay beside the new ones, and for a text with U+0000 it
 * cannot ask at all.
 */
const FLOATS: ReadonlySet<string> = new Set(["FLOAT", "DOUBLE"]);
const TEXTS: ReadonlySet<string> = new Set(["VARCHAR", "JSON"]);

export function keyOf(shape: Pick<TableShape, "columns">, names: readonly string[]): KeyColumn[] {
  return names.map((name) => ({ name, type: columnNamed(shape.columns, name)?.type ?? "" }));
}

/** Resolves to the number of rows. `IN`, never EXISTS: only the first prunes files by their key range. */
export async function deleteByKey(connection: Connection, { from, key, keysSql }: KeyDeletion): Promise<number> {
  const hasNul = await hasNulText(connection, key, keysSql);
  const columns = key.map(({ name, type }) => {
    const column = quoteIdentifier(name);
    return FLOATS.has(type) || (hasNul && TEXTS.has(type)) ? unpruned(column) : column;
  });
  return connection.run(`DELETE FROM ${from} WHERE (${columns.join(", ")}) IN (${keysSql})`);
}

async function hasNulText(connection: Connection, key: readonly KeyColumn[], keysSql: string): Promise<boolean> {
  const found = key.flatMap(({ type }, i) => (TEXTS.has(type) ? [`contains(k${i}, chr(0))`] : []));
  if (found.length === 0) return false;
  const aliases = key.map((_, i) => `k${i}`).join(", ");
  const sql = `SELECT bool_or(${found.join(" OR ")}) AS found FROM (${keysSql}) AS keys(${aliases})`;
  return (await connection.rows(sql))[0]?.["found"] === true;
}

/** The same value, but not a column, by which alone files are found. */
const unpruned = (column: string) => `greatest(${column}, ${column})`;
