import type { ResultTypeOptions } from "../arrow/types.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { tableSchemas } from "./table-schemas.ts";

/**
 * Flight SQL metadata commands that are questions about the lake, and the query that answers each. Their schemas are the
 * protocol's (`flight/metadata-schemas.ts`).
 */

type Request = Readonly<Record<string, unknown>>;

/** A row of the answer, by its columns' names. */
export type MetadataRow = Readonly<Record<string, unknown>>;

interface MetadataQuery {
  /** Its columns are called as the command's schema wants them. */
  readonly sql: string;
  readonly parameters: (request: Request) => Record<string, string | null>;
}

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

const QUERIES: Readonly<Record<string, MetadataQuery>> = {
  CommandGetCatalogs: {
    sql: `SELECT '${LAKE}' AS catalog_name`,
    parameters: () => ({}),
  },
  CommandGetDbSchemas: {
    sql: `SELECT database_name AS catalog_name, schema_name AS db_schema_name FROM duckdb_schemas()
          WHERE database_name = '${LAKE}' AND schema_name NOT IN ${HIDDEN_SCHEMAS}
            AND ${equal("database_name", "catalog")} AND ${like("schema_name", "schema")} ORDER BY 1, 2`,
    parameters: (request) => ({ catalog: text(request["catalog"]), schema: text(request["db_schema_filter_pattern"]) }),
  },
  CommandGetTables: {
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
  },
  CommandGetTableTypes: {
    sql: "SELECT unnest(['TABLE', 'VIEW', 'LOCAL TEMPORARY']) AS table_type",
    parameters: () => ({}),
  },
};

/** DuckLake has no foreign keys: these have a schema and no rows. */
const FOREIGN_KEY_COMMANDS: ReadonlySet<string> = new Set([
  "CommandGetExportedKeys",
  "CommandGetImportedKeys",
  "CommandGetCrossReference",
]);

/** The table's primary key columns, in order; empty when it has none or does not exist. */
export type KeySource = (schema: string, table: string) => Promise<readonly string[]>;

export interface MetadataContext {
  readonly keysOf: KeySource;
  /** Whether the caller may know of a schema of the lake. */
  readonly isVisible: (schema: string) => boolean;
  readonly defaultSchema: string;
  readonly resultTypes: ResultTypeOptions;
}

/** Rows of a command's answer; undefined: not a command of these. */
export async function answerMetadata(
  connection: Connection,
  command: string,
  request: Request,
  { keysOf, isVisible, defaultSchema, resultTypes }: MetadataContext,
): Promise<readonly MetadataRow[] | undefined> {
  if (FOREIGN_KEY_COMMANDS.has(command)) return [];
  if (command === "CommandGetPrimaryKeys") return primaryKeys(request, keysOf, defaultSchema);
  const query = QUERIES[command];
  if (!query) return undefined;
  const rows = (await connection.rows(query.sql, query.parameters(request))).filter(
    (found) => found["catalog_name"] !== LAKE || !found["db_schema_name"] || isVisible(String(found["db_schema_name"])),
  );
  if (command !== "CommandGetTables" || request["include_schema"] !== true) return rows;
  const schemas = await tableSchemas(connection, rows, resultTypes);
  return rows.map((row, i) => ({ ...row, table_schema: schemas[i] }));
}

async function primaryKeys(request: Request, keysOf: KeySource, defaultSchema: string): Promise<MetadataRow[]> {
  const schema = text(request["db_schema"]) ?? defaultSchema;
  const table = text(request["table"]) ?? "";
  const isLake = (text(request["catalog"]) ?? LAKE) === LAKE;
  const keys = isLake ? await keysOf(schema, table) : [];
  return keys.map((column, i) => ({
    catalog_name: LAKE,
    db_schema_name: schema,
    table_name: table,
    column_name: column,
    key_sequence: i + 1,
  }));
}
