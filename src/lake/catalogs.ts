import { resolve } from "node:path";
import { quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { withoutPassword } from "./connection-text.ts";

/**
 * THE table of catalogs: one row each. Nothing else knows their names
 * (https://ducklake.select/docs/stable/duckdb/usage/choosing_a_catalog_database).
 */
export interface CatalogRow {
  /** What the setting may begin with; the first is the name that messages use. */
  readonly schemes: readonly [string, ...string[]];
  /** DuckDB extensions besides ducklake. */
  readonly extensions: readonly string[];
  /** The catalog is one file on this machine. */
  readonly isFile: boolean;
  /** What follows `ducklake:` in ATTACH, before the location. */
  readonly attachPrefix: string;
  readonly attachOptions: readonly string[];
  /** More than one process may commit, so that keyed tables need fence rows. */
  readonly multiProcess: boolean;
  /** Concurrent commits deadlock, or worse: they must be made one after the other. */
  readonly commitsInTurn: boolean;
  /** How the password gets to the catalog's database: in a secret, as `duckdb_databases()` shows all of ATTACH's text. */
  readonly secret: SecretRow | undefined;
  /** Takes an SQL text for the catalog's database to run; where DuckDB itself cannot join that database's tables. */
  readonly queryFunction: string | undefined;
  /**
   * Run in a transaction on the catalog's database, named `database`: waits for all processes that have run it, and keeps
   * others waiting until the transaction ends. Undefined where the database has no such thing.
   */
  readonly lockSql: ((database: string) => string) | undefined;
}

export interface SecretRow {
  readonly type: string;
  readonly passwordField: string;
  /** Bound to the location, or named in ATTACH. */
  readonly isScoped: boolean;
}

/** A process that hangs in its COMMIT is not waited for longer. The outer query gives a row that DuckDB can read. */
const POSTGRES_LOCK = `SELECT 1 FROM (SELECT set_config('lock_timeout', '60s', true) AS timeout) s CROSS JOIN LATERAL
  (SELECT pg_advisory_xact_lock(hashtext('eider deletions')) WHERE s.timeout IS NOT NULL) l`;

export const CATALOGS: readonly CatalogRow[] = [
  {
    schemes: ["duckdb"],
    extensions: [],
    isFile: true,
    attachPrefix: "",
    attachOptions: [],
    multiProcess: false,
    commitsInTurn: false,
    secret: undefined,
    queryFunction: undefined,
    lockSql: undefined,
  },
  {
    schemes: ["postgres", "postgresql"],
    extensions: ["postgres_scanner"],
    isFile: false,
    attachPrefix: "postgres:",
    attachOptions: [],
    multiProcess: true,
    commitsInTurn: false,
    secret: { type: "postgres", passwordField: "PASSWORD", isScoped: false },
    queryFunction: undefined,
    lockSql: (database) => `FROM postgres_query(${quoteLiteral(database)}, ${quoteLiteral(POSTGRES_LOCK)})`,
  },
  {
    schemes: ["sqlite"],
    extensions: ["sqlite_scanner"],
    isFile: true,
    attachPrefix: "sqlite:",
    // In the default journal one reader and one writer block each other for good.
    attachOptions: ["META_JOURNAL_MODE 'WAL'"],
    multiProcess: true,
    commitsInTurn: true,
    secret: undefined,
    queryFunction: undefined,
    lockSql: undefined,
  },
  {
    schemes: ["quack"],
    extensions: ["httpfs", "quack"],
    isFile: false,
    attachPrefix: "quack:",
    attachOptions: [],
    multiProcess: true,
    // No transaction keeps its snapshot here: a DELETE that does not find its file any more at its end kills the engine.
    commitsInTurn: true,
    secret: { type: "quack", passwordField: "TOKEN", isScoped: true },
    queryFunction: "quack_query_by_name",
    lockSql: undefined,
  },
];

/**
 * Catalogs that DuckLake knows and cannot write to: on MySQL every commit but a table's first fails, in the UPDATE of the
 * table's statistics, so that rows would be acknowledged and never flushed.
 */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    "mysql",
    "DuckLake 1.5.5 can commit to each table of a MySQL catalog only once; use postgres:…, sqlite:…, duckdb:… or quack:…",
  ],
]);

export interface Catalog {
  readonly row: CatalogRow;
  /** Absolute path of a file catalog, else undefined. */
  readonly path: string | undefined;
  /** The whole text that ATTACH takes, `ducklake:…`, without a password. */
  readonly attachUri: string;
  readonly password: string | undefined;
}

/**
 * Reads the `catalog` setting; `password` is that of the setting `catalog_password`, else the text's own is taken out of it.
 * Throws `config_invalid` when the scheme is not in the table, or refused there.
 */
export function parseCatalog(setting: string, password = ""): Catalog {
  const colon = setting.indexOf(":");
  const scheme = colon < 0 ? "" : setting.slice(0, colon);
  const refusal = REFUSED.get(scheme);
  if (refusal !== undefined) throw new EiderError("config_invalid", `catalog ${scheme}: ${refusal}`);
  const row = CATALOGS.find((candidate) => candidate.schemes.includes(scheme));
  if (!row) {
    const known = CATALOGS.map((candidate) => `${candidate.schemes[0]}:…`).join(", ");
    throw new EiderError("config_invalid", `catalog has scheme "${scheme}"; it must be one of ${known}`);
  }
  const location = setting.slice(colon + 1);
  if (location === "") {
    const what = row.isFile ? "file; write" : "database; write";
    throw new EiderError("config_invalid", `catalog "${setting}" names no ${what} ${scheme}:…`);
  }
  if (row.isFile) {
    const path = resolve(location);
    return { row, path, attachUri: `ducklake:${row.attachPrefix}${path}`, password: undefined };
  }
  const { text, password: own } = withoutPassword(location.startsWith("//") ? setting : location);
  const attachUri = `ducklake:${row.attachPrefix}${text}`;
  return { row, path: undefined, attachUri, password: password === "" ? own : password };
}
