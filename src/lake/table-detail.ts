import { isAbsolute } from "node:path";
import { type Column, columnNamed, type TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { lakeTable, qualifiedName } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { keyOfComment } from "./keys.ts";
import { METADATA, type Metadata } from "./metadata.ts";
import { stateTable } from "./state.ts";

/** A lake table as the catalog has it, beyond its shape. */
export interface TableDetail {
  readonly shape: TableShape;
  readonly uuid: string;
  readonly comment: string | null;
  /** Folder of its files, with a slash at its end; below the data path unless the catalog says otherwise. */
  readonly folder: string;
}

const IDENTITY = `
  SELECT s.schema_name, t.table_id, t.table_name, t.table_uuid::VARCHAR AS uuid, tag.value AS comment,
         s.path AS schema_path, s.path_is_relative AS schema_relative, t.path, t.path_is_relative AS relative
    FROM ${METADATA}.ducklake_table t
    JOIN ${METADATA}.ducklake_schema s USING (schema_id)
    LEFT JOIN ${METADATA}.ducklake_tag tag
      ON tag.object_id = t.table_id AND tag.key = 'comment' AND tag.end_snapshot IS NULL
   WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
     AND lower(t.table_name) = lower($1) AND lower(s.schema_name) = lower($2)`;

/** The key that a table of this uuid has in the mirror; empty when it has none there. */
export type MirroredKeyOf = (uuid: string) => Promise<readonly string[]>;

/**
 * Reads the table from the catalog; undefined when there is none of that name (a view is none). Without `mirroredKeyOf` the
 * key is left empty, for a table whose key names a dropped column: it must still be possible to give it another.
 */
export async function readDetail(
  connection: Connection,
  metadata: Metadata,
  dataPath: string,
  target: Target,
  mirroredKeyOf?: MirroredKeyOf,
): Promise<TableDetail | undefined> {
  const [row] = await metadata.rows(connection, IDENTITY, [target.table, target.schema]);
  if (!row) return undefined;
  const stored: Target = { schema: String(row["schema_name"]), table: String(row["table_name"]) };
  const described = await connection.rows(`DESCRIBE ${lakeTable(stored)}`);
  const ids = await columnIds(connection, metadata, String(row["table_id"]));
  const columns = described.map((column) => ({
    name: String(column["column_name"]),
    id: ids.get(String(column["column_name"])),
    type: String(column["column_type"]),
    nullable: column["null"] === "YES",
    ...defaultOf(column["default"]),
  }));
  const uuid = String(row["uuid"]);
  const comment = row["comment"] === null ? null : String(row["comment"]);
  const key = mirroredKeyOf ? (keyOfComment(comment) ?? (await mirroredKeyOf(uuid))) : [];
  const primaryKey = canonicalKey(stored, columns, key);
  const inKey = new Set(primaryKey);
  return {
    shape: {
      target: stored,
      id: uuid,
      // DuckLake can SET NOT NULL only on a table with rows, so a key set later does not show in the lake's own schema.
      columns: columns.map((column) => (inKey.has(column.name) ? { ...column, nullable: false } : column)),
      primaryKey,
    },
    uuid,
    comment,
    folder: folderOf(dataPath, row),
  };
}

/** DuckLake says NULL in words where a column has no default. */
export function defaultOf(text: unknown): Pick<Column, "default"> {
  return typeof text === "string" && text.toUpperCase() !== "NULL" ? { default: text } : {};
}

async function columnIds(
  connection: Connection,
  metadata: Metadata,
  tableId: string,
): Promise<ReadonlyMap<string, number>> {
  const rows = await metadata.rows(
    connection,
    `SELECT column_name, column_id FROM ${METADATA}.ducklake_column
      WHERE table_id = $1 AND end_snapshot IS NULL AND parent_column IS NULL`,
    [tableId],
  );
  return new Map(rows.map((row) => [String(row["column_name"]), Number(row["column_id"])]));
}

/** The name that the table of this uuid has now; undefined when it was dropped. */
export async function findById(connection: Connection, metadata: Metadata, uuid: string): Promise<Target | undefined> {
  const [row] = await metadata.rows(
    connection,
    `SELECT s.schema_name, t.table_name FROM ${METADATA}.ducklake_table t
       JOIN ${METADATA}.ducklake_schema s USING (schema_id)
      WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND t.table_uuid::VARCHAR = $1`,
    [uuid],
  );
  return row && { schema: String(row["schema_name"]), table: String(row["table_name"]) };
}

function folderOf(dataPath: string, row: Record<string, unknown>): string {
  const under = (base: string, path: unknown, isRelative: unknown) => {
    const text = path === null ? "" : String(path);
    const isAbsolutePath = isAbsolute(text) || /^[a-z0-9]+:\/\//i.test(text);
    const full = isRelative === true || !isAbsolutePath ? base + text : text;
    return full.endsWith("/") ? full : `${full}/`;
  };
  return under(under(dataPath, row["schema_path"], row["schema_relative"]), row["path"], row["relative"]);
}

/** The keys as `_eider.primary_keys` has them, by the tables' uuids so that a new table of an old name does not inherit one. */
export async function mirroredKeys(connection: Connection): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await connection.rows(`SELECT table_uuid, primary_key FROM ${stateTable("primary_keys")}`);
  return new Map(
    rows.flatMap(({ table_uuid: uuid, primary_key: text }) => {
      const key = namesOf(text);
      return key ? [[String(uuid), key] as const] : [];
    }),
  );
}

/** Undefined: not written by Eider. One such row must not cost all tables their description. */
function namesOf(text: unknown): readonly string[] | undefined {
  try {
    const names: unknown = JSON.parse(String(text));
    return Array.isArray(names) ? names.map(String) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A column of this name hides DuckDB's number of a row, by which the last write of a key is found: rows would win that
 * must not.
 */
export function refuseRowid(target: Target, columns: readonly Column[]): void {
  if (!columns.some((column) => column.name.toLowerCase() === "rowid")) return;
  const name = qualifiedName(target.schema, target.table);
  throw new EiderError(
    "request_invalid",
    `table ${target.schema}.${target.table} cannot have a primary key and a column rowid, whose name DuckDB uses itself; ` +
      `ALTER TABLE ${name} RENAME rowid TO another name`,
  );
}

/** The key's columns by the names that the table has. Throws `primary_key_missing` when one was dropped or renamed. */
function canonicalKey(target: Target, columns: readonly Column[], key: readonly string[]): string[] {
  if (key.length > 0) refuseRowid(target, columns);
  return key.map((name) => {
    const column = columnNamed(columns, name);
    if (column) return column.name;
    throw new EiderError(
      "primary_key_missing",
      `primary key column ${name} of table ${target.schema}.${target.table} does not exist any more; ` +
        `CALL eider_set_primary_key('${target.schema}.${target.table}', [...]) with columns that it has`,
    );
  });
}
