import { type Principal, requireRole, requireRoleAnywhere } from "../access/principal.ts";
import type { Database } from "../duck/database.ts";
import { LAKE, STATE_SCHEMA } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { knownFunctions } from "../query/function-rules.ts";
import { type NameDefaults, recognize } from "../query/own-statement.ts";
import type { Use } from "../query/query-uses.ts";
import { selectForm } from "../query/select-form.ts";
import { statementUses } from "../query/statement-uses.ts";
import type { Piece } from "../query/tokens.ts";

/** Statements whose uses are remembered, by their text: those of prepared statements and dashboards come again and again. */
const MEMO_ENTRIES = 2000;
const MEMO_TEXT_LENGTH = 8192;

/** What statements do, by DuckDB's parser. One for the server: it knows no caller. */
export class StatementReader {
  readonly #scratch: Database;
  readonly #names: NameDefaults;
  readonly #known: ReadonlySet<string>;
  readonly #memo = new Map<string, readonly Use[]>();

  private constructor(scratch: Database, names: NameDefaults, known: ReadonlySet<string>) {
    this.#scratch = scratch;
    this.#names = names;
    this.#known = known;
  }

  /** `scratch`: an instance in which statements are parsed, and nothing else can be found. */
  static async open(scratch: Database, names: NameDefaults): Promise<StatementReader> {
    using connection = await scratch.connect();
    return new StatementReader(scratch, names, await knownFunctions(connection));
  }

  async uses(piece: Piece): Promise<readonly Use[]> {
    const known = this.#memo.get(piece.sql);
    if (known) return known;
    const uses = await this.#read(piece);
    if (piece.sql.length <= MEMO_TEXT_LENGTH) this.#memo.set(piece.sql, uses);
    if (this.#memo.size > MEMO_ENTRIES) {
      const [oldest] = this.#memo.keys();
      if (oldest !== undefined) this.#memo.delete(oldest);
    }
    return uses;
  }

  async #read(piece: Piece): Promise<readonly Use[]> {
    const own = recognize(piece, this.#names);
    if (own?.kind === "set_consistency") return [];
    if (own?.kind === "flush") {
      const { target } = own;
      if (!target) return [{ kind: "anywhere", role: "write", what: "flushing all tables" }];
      return [{ kind: "table", role: "write", name: [LAKE, target.schema, target.table] }];
    }
    if (own?.kind === "cancel_task") return [{ kind: "anywhere", role: "write", what: "cancelling housekeeping" }];
    if (own?.kind === "set_primary_key") {
      return [{ kind: "table", role: "write", name: [LAKE, own.target.schema, own.target.table] }];
    }
    using connection = await this.#scratch.connect();
    const uses = await statementUses(piece, { connection, knownFunctions: this.#known });
    // Where the two disagree on where a statement ends, what was looked at is not what would run. PIVOT makes two.
    const isPivot = selectForm(piece)?.target.length === 0;
    if (!isPivot && (await connection.parse(piece.sql)) !== 1) {
      throw new EiderError("forbidden", "the statement cannot be told apart from the one after it");
    }
    return uses;
  }
}

/** Holds one caller to its roles; for servers with authentication. */
export class Guard {
  readonly #principal: Principal;
  readonly #reader: StatementReader;
  readonly #names: NameDefaults;

  constructor(principal: Principal, reader: StatementReader, names: NameDefaults) {
    this.#principal = principal;
    this.#reader = reader;
    this.#names = names;
  }

  /** Throws `forbidden`. `currentSchema`: where names without a schema are looked for. */
  async checkStatement(piece: Piece, currentSchema: () => Promise<string>): Promise<void> {
    for (const use of await this.#reader.uses(piece)) {
      if (use.kind === "everywhere") requireRole(this.#principal, use.role, undefined, use.what);
      else if (use.kind === "anywhere") requireRoleAnywhere(this.#principal, use.role, use.what);
      else if (use.kind === "schema") this.#checkSchemaName(use.name, use.role);
      else this.#checkTable(use.name, use.role, await currentSchema());
    }
  }

  /** Throws `forbidden`. */
  checkSchema(schema: string, role: "read" | "write", what: string): void {
    const own = this.#ownName(schema);
    if (own === STATE_SCHEMA) {
      if (role === "write") throw refused(`writing schema ${STATE_SCHEMA}`);
      requireRole(this.#principal, "admin", undefined, `reading schema ${STATE_SCHEMA}`);
      return;
    }
    requireRole(this.#principal, role, own, what);
  }

  canRead(schema: string): boolean {
    try {
      this.checkSchema(schema, "read", "");
      return true;
    } catch {
      return false;
    }
  }

  #checkTable(name: readonly string[], role: "read" | "write", currentSchema: string): void {
    const lower = name.map((part) => part.toLowerCase());
    const table = lower.at(-1) ?? "";
    const what = `${role === "read" ? "reading" : "writing"} ${name.join(".")}`;
    if (name.length > 3 || lower.some((part) => isFileLike(part))) throw refused(what);
    const [catalog, schema] = resolve(lower, currentSchema.toLowerCase());
    if (catalog === "temp") return;
    if (
      catalog === "system" ||
      isSystemSchema(schema) ||
      (schema === "main" && SYSTEM_VIEWS.has(table)) ||
      isSystemView(lower)
    ) {
      this.#checkSystemView(schema, table, role, what);
      return;
    }
    if (catalog === METADATA_CATALOG && role === "read") {
      requireRole(this.#principal, "admin", undefined, what);
      return;
    }
    if (catalog !== LAKE) throw refused(what);
    this.checkSchema(schema, role, what);
  }

  /** Views of DuckDB's own, which are found in schema main and without a schema as well: no table may have such a name. */
  #checkSystemView(schema: string, view: string, role: "read" | "write", what: string): void {
    if (role === "write") throw refused(what);
    const isPlain = schema === "information_schema" || SYSTEM_VIEWS.get(view) === "read";
    if (!isPlain) requireRole(this.#principal, "admin", undefined, what);
  }

  /** Names of USE, CREATE SCHEMA, DROP SCHEMA: `schema` or `lake.schema`. */
  #checkSchemaName(name: readonly string[], role: "read" | "write"): void {
    const [first = "", second] = name.map((part) => part.toLowerCase());
    const what = `${role === "read" ? "using" : "changing"} schema ${name.join(".")}`;
    const isLake = second === undefined ? isPlainSchema(first) : first === LAKE && isPlainSchema(second);
    if (name.length > 2 || !isLake) throw refused(what);
    this.checkSchema(second ?? (first === LAKE ? "main" : first), role, what);
  }

  /** The schema that a name means: the queue's stands for the target schema. */
  #ownName(schema: string): string {
    const lower = schema.toLowerCase();
    return lower === this.#names.queueSchema.toLowerCase() ? this.#names.targetSchema.toLowerCase() : lower;
  }
}

const METADATA_CATALOG = `__ducklake_metadata_${LAKE}`;
/** Databases of the instance beside the lake; a name of two parts may begin with one. */
const CATALOGS: ReadonlySet<string> = new Set([LAKE, "temp", "system", "memory", METADATA_CATALOG]);

function refused(what: string): EiderError {
  return new EiderError("forbidden", `${what} is not allowed on a server with authentication`);
}

/** Catalog and schema of a table's name. Databases that are attached for a flush begin with two underscores. */
function resolve(name: readonly string[], currentSchema: string): [string, string] {
  const [first = "", second = ""] = name;
  if (name.length === 3) return [first, second];
  if (name.length === 2) return CATALOGS.has(first) || first.startsWith("__") ? [first, "main"] : [LAKE, first];
  return [LAKE, currentSchema];
}

function isPlainSchema(name: string): boolean {
  return name === LAKE || !(CATALOGS.has(name) || name.startsWith("__") || isSystemSchema(name) || isFileLike(name));
}

/** DuckDB reads a file where it finds no table of the name: `"a/b.parquet"`, `"a/b".parquet`, `'s3://…'`. */
function isFileLike(part: string): boolean {
  return /[./\\:*?[\]]/.test(part);
}

function isSystemSchema(schema: string): boolean {
  return schema === "information_schema" || schema === "pg_catalog";
}

/** What is found without a schema. */
function isSystemView(name: readonly string[]): boolean {
  return name.length === 1 && SYSTEM_VIEWS.has(name[0] ?? "");
}

/** Views outside of information_schema: those of names are anybody's, the others tell of files, settings and what others run. */
const SYSTEM_VIEWS: ReadonlyMap<string, "read" | "admin"> = new Map([
  ...`duckdb_columns duckdb_constraints duckdb_indexes duckdb_schemas duckdb_tables duckdb_types duckdb_views sqlite_master
   sqlite_schema sqlite_temp_master sqlite_temp_schema pg_am pg_attrdef pg_attribute pg_class pg_collation pg_constraint
   pg_database pg_depend pg_description pg_enum pg_index pg_indexes pg_namespace pg_proc pg_sequence pg_sequences pg_tables
   pg_type pg_views`
    .split(/\s+/)
    .map((name) => [name, "read"] as const),
  ...`duckdb_databases duckdb_logs pragma_database_list pg_prepared_statements pg_settings pg_tablespace`
    .split(/\s+/)
    .map((name) => [name, "admin"] as const),
]);
