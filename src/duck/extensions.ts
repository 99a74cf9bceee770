import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import duckdb from "@duckdb/node-bindings";
import { EiderError, messageOf } from "../errors.ts";
import type { Connection } from "./database.ts";
import { fetchWheel, placeExtension } from "./fetch-wheel.ts";
import { runProgram, withoutAddresses } from "./run-program.ts";
import { quoteLiteral } from "./sql.ts";

/**
 * DuckDB's extensions: found, or fetched, and loaded into an instance. Looked for in order: the setting
 * `extension_dir`; DuckDB's own folder; DuckDB's INSTALL; the PyPI wheel `duckdb-extension-<name>` by pip. DuckDB itself
 * checks the signature, platform and version of a file when it loads it; one that does not fit is passed over.
 */
export const EXTENSION_NAMES = [
  "ducklake",
  "postgres_scanner",
  "sqlite_scanner",
  "mysql_scanner",
  "quack",
  "httpfs",
  "aws",
  "azure",
] as const;

/** An unreachable network may swallow packets without an answer. */
const INSTALL_TIMEOUT_MS = 20_000;

export interface ExtensionsOptions {
  /** Files `<name>.duckdb_extension`; made when something is fetched. */
  readonly dir: string;
  /** Told in one line before something is downloaded, which may take minutes. */
  readonly progress: (line: string) => void;
  readonly python?: string;
}

interface Attempt {
  readonly place: string;
  /** Resolves to the SQL text after LOAD, or to undefined when there is nothing in that place. */
  readonly find: (connection: Connection, name: string) => Promise<string | undefined>;
}

export class Extensions {
  readonly #options: ExtensionsOptions;
  readonly #attempts: readonly Attempt[];
  /** What to LOAD by extension, once found; its promise makes concurrent callers share one search. */
  readonly #found = new Map<string, Promise<string>>();

  constructor(options: ExtensionsOptions) {
    this.#options = options;
    this.#attempts = [
      { place: `extension_dir ${options.dir}`, find: async (_, name) => this.#inDirectory(name) },
      { place: "DuckDB's own folder", find: (connection, name) => installedPath(connection, name) },
      { place: "DuckDB's INSTALL", find: (connection, name) => this.#install(connection, name) },
      { place: "pip", find: (_, name) => this.#download(name) },
    ];
  }

  /**
   * Loads `name` into the connection's instance; loading it again is harmless.
   * Throws `lake_unavailable` that lists each place with its error.
   */
  async load(connection: Connection, name: string): Promise<void> {
    const known = this.#found.get(name);
    if (known !== undefined) {
      const source = await known;
      return void (await connection.run(`LOAD ${source}`));
    }
    const search = this.#search(connection, name);
    this.#found.set(name, search);
    search.catch(() => this.#found.delete(name));
    await search;
  }

  /** Loads `name` and makes sure that its file is in `dir`; resolves to the path, or undefined for a built-in one. */
  async fetch(connection: Connection, name: string): Promise<string | undefined> {
    await this.load(connection, name);
    const path = this.#pathOf(name);
    if (existsSync(path)) return path;
    const [row] = await connection.rows(
      "SELECT install_path AS path FROM duckdb_extensions() WHERE extension_name = $1",
      [name],
    );
    const source = String(row?.["path"] ?? "");
    return existsSync(source) ? placeExtension(source, this.#options.dir, name) : undefined;
  }

  async #search(connection: Connection, name: string): Promise<string> {
    const failures: string[] = [];
    for (const { place, find } of this.#attempts) {
      try {
        const source = await find(connection, name);
        if (source === undefined) {
          failures.push(`${place}: not there`);
          continue;
        }
        await connection.run(`LOAD ${source}`);
        return source;
      } catch (error) {
        failures.push(`${place}: ${firstLine(withoutAddresses(messageOf(error)))}`);
      }
    }
    const version = duckdb.library_version();
    throw new EiderError(
      "lake_unavailable",
      [
        `DuckDB's extension ${name} ${version} cannot be loaded. Tried:`,
        ...failures.map((failure) => `  - ${failure}`),
        `Run scripts/fetch-extensions.mjs where there is a network and copy ${this.#options.dir} here, or put ` +
          `${name}.duckdb_extension for DuckDB ${version} into it (setting extension_dir).`,
      ].join("\n"),
    );
  }

  #pathOf(name: string): string {
    return join(this.#options.dir, `${name}.duckdb_extension`);
  }

  #inDirectory(name: string): string | undefined {
    const path = this.#pathOf(name);
    return existsSync(path) ? quoteLiteral(path) : undefined;
  }

  async #install(connection: Connection, name: string): Promise<string | undefined> {
    this.#options.progress(`extension ${name}: installing by DuckDB`);
    const program = fileURLToPath(new URL(`./install-extension.js`, import.meta.url));
    await runProgram(process.execPath, [program, name], INSTALL_TIMEOUT_MS);
    return installedPath(connection, name);
  }

  async #download(name: string): Promise<string> {
    this.#options.progress(
      `extension ${name}: downloading the wheel duckdb-extension-${name.replaceAll("_", "-")} by pip`,
    );
    const version = duckdb.library_version().replace(/^v/, "");
    const { dir, python = "python3" } = this.#options;
    return quoteLiteral(await fetchWheel({ python, name, version, directory: dir }));
  }
}

/**
 * What DuckDB knows to be installed. Plain `LOAD name` would do, but it downloads what is missing, without a timeout.
 */
async function installedPath(connection: Connection, name: string): Promise<string | undefined> {
  const [row] = await connection.rows(
    "SELECT installed, install_path AS path FROM duckdb_extensions() WHERE extension_name = $1",
    [name],
  );
  if (row?.["installed"] !== true) return undefined;
  const path = String(row["path"]);
  return existsSync(path) ? quoteLiteral(path) : name;
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0] ?? "";
}
