import { columnNamed, type TableShape } from "../base/table.ts";
import { type Target, targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { lakeTable, quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";

/** The key's columns by the names that the table has; throws `schema_mismatch` and `request_invalid`. */
export function keyColumns(shape: TableShape, columns: readonly string[]): string[] {
  const names = columns.map((name) => {
    const column = columnNamed(shape.columns, name);
    if (column) return column.name;
    const known = shape.columns.map((candidate) => candidate.name).join(", ");
    throw new EiderError(
      "schema_mismatch",
      `primary key column ${name} is not a column of ${targetName(shape.target)} (${known})`,
    );
  });
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new EiderError("request_invalid", `primary key names column ${twice} twice`);
  return names;
}

/** Throws `constraint_violated` when rows have NULL or duplicates in these columns. */
export async function checkKey(connection: Connection, target: Target, primaryKey: readonly string[]): Promise<void> {
  const table = lakeTable(target);
  const list = primaryKey.map(quoteIdentifier).join(", ");
  const nulls = primaryKey.map((name) => `count(*) FILTER (${quoteIdentifier(name)} IS NULL)`).join(", ");
  const [row] = await connection.rows(`SELECT [${nulls}]::VARCHAR AS nulls FROM ${table}`);
  const counts = JSON.parse(String(row?.["nulls"])) as number[];
  const at = counts.findIndex((count) => count > 0);
  if (at >= 0) {
    throw new EiderError(
      "constraint_violated",
      `column ${primaryKey[at]} of ${targetName(target)} is NULL in ${counts[at]} rows, so it cannot be in the primary key`,
    );
  }
  const [pair] = await connection.rows(
    `SELECT (${primaryKey.map((name) => `${quoteIdentifier(name)}::VARCHAR`).join(" || ', ' || ")}) AS key, count(*) AS n
       FROM ${table} GROUP BY ${list} HAVING count(*) > 1 LIMIT 1`,
  );
  if (pair) {
    throw new EiderError(
      "constraint_violated",
      `${targetName(target)} has ${pair["n"]} rows with (${list}) = (${pair["key"]}); remove duplicates before setting the primary key`,
    );
  }
}
