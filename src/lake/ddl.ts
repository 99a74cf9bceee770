import type { TableShape } from "../base/table.ts";
import { type Target, targetName } from "../base/target.ts";
import { LAKE, lakeTable, qualifiedName, quoteIdentifier, quoteLiteral, STATE_SCHEMA } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { keyComment } from "./keys.ts";

/** DuckLake makes a folder of the table's name; a longer one is created but cannot be inserted into. */
const TABLE_NAME_LIMIT_BYTES = 200;

/** Schemas that hold something else already, and what. */
const RESERVED_SCHEMAS: ReadonlyMap<string, string> = new Map([
  [STATE_SCHEMA, "Eider's own state"],
  // A table of the lake there could not be named in SQL.
  ["information_schema", "the catalog's own views"],
  ["pg_catalog", "the catalog's own views"],
]);
/** Names that a segment gives a meaning of its own: DuckDB's row number, and the row's operation. */
const RESERVED_COLUMNS = ["rowid", "_eider_op"];

export interface CreateOptions {
  readonly ifNotExists?: boolean;
  readonly orReplace?: boolean;
}

/** CREATE TABLE in the lake; key columns become NOT NULL, the key itself is not in DDL (DuckLake refuses it). */
export function createTableSql(shape: TableShape, options: CreateOptions = {}): string {
  checkNames(shape);
  const isKey = (name: string) => shape.primaryKey.some((key) => key.toLowerCase() === name.toLowerCase());
  const columns = shape.columns.map((column) => {
    const notNull = column.nullable && !isKey(column.name) ? "" : " NOT NULL";
    const otherwise = column.default === undefined ? "" : ` DEFAULT ${column.default}`;
    return `${quoteIdentifier(column.name)} ${column.type}${otherwise}${notNull}`;
  });
  const create = options.orReplace ? "CREATE OR REPLACE TABLE" : "CREATE TABLE";
  return `${create}${options.ifNotExists ? " IF NOT EXISTS" : ""} ${lakeTable(shape.target)} (${columns.join(", ")})`;
}

/** All that makes the table with its schema and its key, for one transaction. */
export function createTableStatements(shape: TableShape, options: CreateOptions = {}): string[] {
  return [
    `CREATE SCHEMA IF NOT EXISTS ${qualifiedName(LAKE, shape.target.schema)}`,
    createTableSql(shape, options),
    ...(shape.primaryKey.length > 0 ? [commentSql(shape.target, keyComment(shape.primaryKey, null))] : []),
  ];
}

export function commentSql(target: Target, comment: string | null): string {
  return `COMMENT ON TABLE ${lakeTable(target)} IS ${comment === null ? "NULL" : quoteLiteral(comment)}`;
}

/** Throws request_invalid for a name that DuckLake takes and then cannot insert into. */
export function checkTableName({ table }: Target): void {
  if (Buffer.byteLength(table) > TABLE_NAME_LIMIT_BYTES) {
    throw new EiderError(
      "request_invalid",
      `table name of ${Buffer.byteLength(table)} bytes is longer than ${TABLE_NAME_LIMIT_BYTES} bytes; choose a shorter one`,
    );
  }
}

function checkNames(shape: TableShape): void {
  const { schema, table } = shape.target;
  const name = targetName(shape.target);
  if (schema === "" || table === "") throw new EiderError("request_invalid", `table ${name} has an empty name`);
  checkTableName(shape.target);
  const holds = RESERVED_SCHEMAS.get(schema.toLowerCase());
  if (holds !== undefined)
    throw new EiderError("request_invalid", `schema ${schema} holds ${holds}; choose another schema`);
  if (shape.columns.length === 0) throw new EiderError("request_invalid", `table ${name} needs at least one column`);
  const unnamed = shape.columns.findIndex((column) => column.name === "");
  if (unnamed !== -1) {
    throw new EiderError("request_invalid", `column ${unnamed + 1} of table ${name} has no name; give it one`);
  }
  // SQL ends at this character.
  if ([schema, table, ...shape.columns.map((column) => column.name)].some((part) => part.includes("\0"))) {
    throw new EiderError("request_invalid", `a name of table ${name} or of its columns holds U+0000; leave it out`);
  }
  const reserved = shape.columns.find((column) => RESERVED_COLUMNS.includes(column.name.toLowerCase()));
  if (reserved) {
    throw new EiderError("request_invalid", `column name ${reserved.name} of table ${name} is reserved; rename it`);
  }
}
