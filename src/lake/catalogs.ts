import { resolve } from "node:path";
import { EiderError } from "../errors.ts";

/**
 * THE table of catalogs and of object stores: one row each. Nothing else knows their names
 * (https://ducklake.select/docs/stable/duckdb/usage/choosing_a_catalog_database).
 */
export interface CatalogRow {
  /** What the setting may begin with; the first is the name that messages use. */
  readonly schemes: readonly [string, ...string[]];
  /** DuckDB extension besides ducklake. */
  readonly extension: string | undefined;
  /** The catalog is one file on this machine. */
  readonly isFile: boolean;
  /** What follows `ducklake:` in ATTACH, before the location. */
  readonly attachPrefix: string;
  readonly attachOptions: readonly string[];
  /** More than one process may commit, so that keyed tables need fence rows. */
  readonly multiProcess: boolean;
  /** False: DuckLake cannot UPDATE, DELETE or COMMENT here, so that only append-only tables work. */
  readonly canDelete: boolean;
  /** Concurrent commits deadlock: they must be made one after the other. */
  readonly commitsInTurn: boolean;
}

export const CATALOGS: readonly CatalogRow[] = [
  {
    schemes: ["duckdb"],
    extension: undefined,
    isFile: true,
    attachPrefix: "",
    attachOptions: [],
    multiProcess: false,
    canDelete: true,
    commitsInTurn: false,
  },
  {
    schemes: ["postgres", "postgresql"],
    extension: "postgres_scanner",
    isFile: false,
    attachPrefix: "postgres:",
    attachOptions: [],
    multiProcess: true,
    canDelete: true,
    commitsInTurn: false,
  },
  {
    schemes: ["sqlite"],
    extension: "sqlite_scanner",
    isFile: true,
    attachPrefix: "sqlite:",
    // In the default journal one reader and one writer block each other for good.
    attachOptions: ["META_JOURNAL_MODE 'WAL'"],
    multiProcess: true,
    canDelete: true,
    commitsInTurn: true,
  },
  {
    schemes: ["mysql"],
    extension: "mysql_scanner",
    isFile: false,
    attachPrefix: "mysql:",
    attachOptions: [],
    multiProcess: true,
    canDelete: false,
    commitsInTurn: false,
  },
];

export interface Catalog {
  readonly row: CatalogRow;
  /** Absolute path of a file catalog, else undefined. */
  readonly path: string | undefined;
  /** The whole text that ATTACH takes, `ducklake:…`. May hold a password. */
  readonly attachUri: string;
}

/** Reads the `catalog` setting. Throws `config_invalid` when its scheme is not in the table. */
export function parseCatalog(setting: string): Catalog {
  const colon = setting.indexOf(":");
  const scheme = colon < 0 ? "" : setting.slice(0, colon);
  const row = CATALOGS.find((candidate) => candidate.schemes.includes(scheme));
  if (!row) {
    const known = CATALOGS.map((candidate) => `${candidate.schemes[0]}:…`).join(", ");
    throw new EiderError("config_invalid", `catalog has scheme "${scheme}"; it must be one of ${known}`);
  }
  const location = setting.slice(colon + 1);
  if (location === "" && row.isFile) {
    throw new EiderError("config_invalid", `catalog "${setting}" names no file; write ${row.schemes[0]}:<path>`);
  }
  if (row.isFile) {
    const path = resolve(location);
    return { row, path, attachUri: `ducklake:${row.attachPrefix}${path}` };
  }
  // A URL (postgres://user@host/database) is passed on with its scheme, as the client library wants it.
  const connection = location.startsWith("//") ? setting : location;
  return { row, path: undefined, attachUri: `ducklake:${row.attachPrefix}${connection}` };
}

/** Object stores by the data path's scheme: the extensions that read and write them. */
const STORES: ReadonlyArray<{ readonly scheme: RegExp; readonly extensions: readonly string[] }> = [
  { scheme: /^(s3|s3a|s3n):\/\//i, extensions: ["httpfs", "aws"] },
  { scheme: /^(gs|gcs|r2):\/\//i, extensions: ["httpfs"] },
  { scheme: /^(az|azure|abfss):\/\//i, extensions: ["azure"] },
];

export interface DataPath {
  /** With a slash at its end; absolute when local. */
  readonly location: string;
  readonly isLocal: boolean;
  readonly extensions: readonly string[];
}

/** Reads the `data_path` setting. Throws `config_invalid` for a URL of a store that is not in the table. */
export function parseDataPath(setting: string): DataPath {
  const withSlash = (text: string) => (text.endsWith("/") ? text : `${text}/`);
  const store = STORES.find((row) => row.scheme.test(setting));
  if (store) return { location: withSlash(setting), isLocal: false, extensions: store.extensions };
  if (/^[a-z][a-z0-9+]*:\/\//i.test(setting)) {
    throw new EiderError("config_invalid", `data_path "${setting}" must be a folder, s3://…, gs://… or az://…`);
  }
  return { location: withSlash(resolve(setting)), isLocal: true, extensions: [] };
}
