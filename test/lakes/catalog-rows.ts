import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { POSTGRES_PASSWORD, type PostgresServer, postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { QUACK_TOKEN, startQuack } from "../support/quack-server.ts";
import type { LakePlace } from "./lake-run.ts";

/** One catalog: what Eider is told, and what DuckDB itself. */
export interface CatalogPlace {
  readonly settings: Partial<Config>;
  readonly attach: Omit<LakePlace["attach"], "dataPath">;
}

export interface CatalogTestRow {
  readonly name: string;
  /** Why its server cannot run here; undefined when it can. */
  readonly missing: string | undefined;
  /** A new, empty catalog; `folder` is the run's own. */
  readonly make: (folder: string, use: <T extends AsyncDisposable>(resource: T) => T) => Promise<CatalogPlace>;
}

const secretOf = (type: string, field: string, value: string, scope = "") =>
  `CREATE SECRET judge_catalog (TYPE ${type}, ${field} '${value.replaceAll("'", "''")}'${scope})`;

export function postgresPlace(server: PostgresServer, database: string, port?: number): CatalogPlace {
  return {
    settings: {
      catalog: `postgres:${server.connection(database, port)}`,
      catalogPassword: POSTGRES_PASSWORD,
    },
    attach: {
      extensions: ["postgres_scanner"],
      setup: [secretOf("postgres", "PASSWORD", POSTGRES_PASSWORD)],
      catalog: `postgres:${server.connection(database)}`,
      options: ["META_SECRET 'judge_catalog'"],
    },
  };
}

export const CATALOG_ROWS: readonly CatalogTestRow[] = [
  {
    name: "duckdb",
    missing: undefined,
    async make(folder) {
      const path = join(folder, "catalog.ducklake");
      return {
        settings: { catalog: `duckdb:${path}` },
        attach: { extensions: [], setup: [], catalog: path, options: [] },
      };
    },
  },
  {
    name: "postgres",
    missing: postgresPrograms() ? undefined : "PostgreSQL is not installed",
    async make(_, use) {
      const server = use(await startPostgres());
      server.createDatabase("lake");
      return postgresPlace(server, "lake");
    },
  },
  {
    name: "sqlite",
    missing: undefined,
    async make(folder) {
      const path = join(folder, "catalog.sqlite");
      return {
        settings: { catalog: `sqlite:${path}` },
        attach: { extensions: ["sqlite_scanner"], setup: [], catalog: `sqlite:${path}`, options: [] },
      };
    },
  },
  {
    name: "quack",
    missing: undefined,
    async make(_, use) {
      const { address } = use(await startQuack());
      return {
        settings: { catalog: `quack:${address}`, catalogPassword: QUACK_TOKEN },
        attach: {
          extensions: ["httpfs", "quack"],
          setup: [secretOf("quack", "TOKEN", QUACK_TOKEN, `, SCOPE 'quack:${address}'`)],
          catalog: `quack:${address}`,
          options: [],
        },
      };
    },
  },
];
