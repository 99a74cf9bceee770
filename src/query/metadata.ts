import { Binary, Field, Int32, Schema, Uint8, Utf8 } from "apache-arrow";
import type { ResultTypeOptions } from "../arrow/types.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { tableSchemas } from "./table-schemas.ts";

/**
 * Flight SQL metadata commands that are questions about the lake: the exact schema of each (FlightSql.proto, the comment
 * of the command), and the query that answers it. Clients compare these schemas bit for bit.
 */

export interface MetadataRows {
  readonly schema: Schema;
  /** One array per column of the schema. */
  readonly columns: unknown[][];
}

type Request = Readonly<Record<string, unknown>>;
type Cell = (row: Record<string, unknown>) => unknown;

interface MetadataCommand {
  readonly fields: readonly Field[];
  readonly sql: string;
  readonly parameters: (request: Request) => Record<string, string | null>;
  /** Columns that SQL cannot give, appended to those of the query. */
  readonly extra?: (request: Request) => boolean;
}

const utf8 = (name: string, nullable = false) => new Field(name, new Utf8(), nullable);

/** Schemas that are not the user's: Eider's own bookkeeping. */
const HIDDEN_SCHEMAS = "('_eider', 'information_schema', 'pg_catalog')";

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** A LIKE pattern with `\` as escape; absent: everything. */
const like = (column: string, parameter: string) =>
  `($${parameter} IS NULL OR ${column} LIKE $${parameter} ESCAPE '\\')`;
const equal = (column: string, parameter: string) => `($${parameter} IS NULL OR ${column} = $${parameter})`;

/** Tables and views of the lake, and the session's temporary tables. */
const TABLES = `
  SELECT database_name AS catalog_name, schema_name AS db_schema_name, table_name,
         CASE WHEN temporary THEN 'LOCAL TEMPORARY' ELSE 'TABLE' END AS table_type
    FROM duckdb_tables() WHERE NOT internal AND database_name IN ('${LAKE}', 'temp')
  UNION ALL
  SELECT database_name, schema_name, view_name, 'VIEW'
    FROM duckdb_views() WHERE NOT internal AND database_name IN ('${LAKE}', 'temp')`;

const COMMANDS: Readonly<Record<string, MetadataCommand>> = {
  CommandGetCatalogs: {
    fields: [utf8("catalog_name")],
    sql: `SELECT '${LAKE}' AS catalog_name`,
    parameters: () => ({}),
  },
  CommandGetDbSchemas: {
    fields: [utf8("catalog_name", true), utf8("db_schema_name")],
    sql: `SELECT database_name AS catalog_name, schema_name AS db_schema_name FROM duckdb_schemas()
          WHERE database_name = '${LAKE}' AND schema_name NOT IN ${HIDDEN_SCHEMAS}
            AND ${equal("database_name", "catalog")} AND ${like("schema_name", "schema")} ORDER BY 1, 2`,
    parameters: (request) => ({ catalog: text(request["catalog"]), schema: text(request["db_schema_filter_pattern"]) }),
  },
  CommandGetTables: {
    fields: [utf8("catalog_name", true), utf8("db_schema_name", true), utf8("table_name"), utf8("table_type")],
    sql: `SELECT * FROM (${TABLES}) WHERE db_schema_name NOT IN ${HIDDEN_SCHEMAS}
            AND ${equal("catalog_name", "catalog")} AND ${like("db_schema_name", "schema")} AND ${like("table_name", "table")}
            AND ($types IS NULL OR list_contains(string_split($types, chr(31)), table_type)
                 OR (table_type = 'TABLE' AND list_contains(string_split($types, chr(31)), 'BASE TABLE')))
          ORDER BY 1, 2, 3`,
    parameters: (request) => {
      const types = request["table_types"];
      return {
        catalog: text(request["catalog"]),
        schema: text(request["db_schema_filter_pattern"]),
        table: text(request["table_name_filter_pattern"]),
        types: Array.isArray(types) && types.length > 0 ? types.map(String).join("\u001f") : null,
      };
    },
    extra: (request) => request["include_schema"] === true,
  },
  CommandGetTableTypes: {
    fields: [utf8("table_type")],
    sql: "SELECT unnest(['TABLE', 'VIEW', 'LOCAL TEMPORARY']) AS table_type",
    parameters: () => ({}),
  },
};

const keyFields = [
  utf8("pk_catalog_name", true),
  utf8("pk_db_schema_name", true),
  utf8("pk_table_name"),
  utf8("pk_column_name"),
  utf8("fk_catalog_name", true),
  utf8("fk_db_schema_name", true),
  utf8("fk_table_name"),
  utf8("fk_column_name"),
  new Field("key_sequence", new Int32(), false),
  utf8("fk_key_name", true),
  utf8("pk_key_name", true),
  new Field("update_rule", new Uint8(), false),
  new Field("delete_rule", new Uint8(), false),
];

/** DuckLake has no foreign keys: these have a schema and no rows. */
const FOREIGN_KEY_COMMANDS: ReadonlySet<string> = new Set([
  "CommandGetExportedKeys",
  "CommandGetImportedKeys",
  "CommandGetCrossReference",
]);

const PRIMARY_KEY_FIELDS = [
  utf8("catalog_name", true),
  utf8("db_schema_name", true),
  utf8("table_name"),
  utf8("column_name"),
  new Field("key_sequence", new Int32(), false),
  utf8("key_name", true),
];

/** The table's primary key columns, in order; empty when it has none or does not exist. */
export type KeySource = (schema: string, table: string) => Promise<readonly string[]>;

export interface MetadataContext {
  readonly keysOf: KeySource;
  /** Whether the caller may know of a schema of the lake. */
  readonly isVisible: (schema: string) => boolean;
  readonly defaultSchema: string;
  readonly resultTypes: ResultTypeOptions;
}

/** Undefined: not a command of this table. */
export async function answerMetadata(
  connection: Connection,
  command: string,
  request: Request,
  { keysOf, isVisible, defaultSchema, resultTypes }: MetadataContext,
): Promise<MetadataRows | undefined> {
  if (FOREIGN_KEY_COMMANDS.has(command)) return { schema: new Schema(keyFields), columns: keyFields.map(() => []) };
  if (command === "CommandGetPrimaryKeys") return primaryKeys(request, keysOf, defaultSchema);
  const row = COMMANDS[command];
  if (!row) return undefined;
  const rows = (await connection.rows(row.sql, row.parameters(request))).filter(
    (found) => found["catalog_name"] !== LAKE || !found["db_schema_name"] || isVisible(String(found["db_schema_name"])),
  );
  const cells: Cell[] = row.fields.map((field) => (found) => found[field.name]);
  const columns = cells.map((cell) => rows.map(cell));
  const fields = [...row.fields];
  if (row.extra?.(request)) {
    fields.push(new Field("table_schema", new Binary(), false));
    columns.push(await tableSchemas(connection, rows, resultTypes));
  }
  return { schema: new Schema(fields), columns };
}

async function primaryKeys(request: Request, keysOf: KeySource, defaultSchema: string): Promise<MetadataRows> {
  const schema = text(request["db_schema"]) ?? defaultSchema;
  const table = text(request["table"]) ?? "";
  const isLake = (text(request["catalog"]) ?? LAKE) === LAKE;
  const keys = isLake ? await keysOf(schema, table) : [];
  return {
    schema: new Schema(PRIMARY_KEY_FIELDS),
    columns: [
      keys.map(() => LAKE),
      keys.map(() => schema),
      keys.map(() => table),
      [...keys],
      keys.map((_, i) => i + 1),
      keys.map(() => null),
    ],
  };
}
