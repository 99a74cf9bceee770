import duckdb from "@duckdb/node-bindings";
import { Database } from "./database.ts";

/**
 * A program of its own: `node install-extension.js NAME` runs DuckDB's INSTALL and prints the installed file's path.
 * INSTALL cannot be interrupted while it waits for the network; a child process can be ended.
 */
const [name = ""] = process.argv.slice(2);
try {
  if (!/^[a-z_]+$/.test(name)) throw new Error(`not an extension name: ${name}`);
  await using database = await Database.open();
  using connection = await database.connect();
  await connection.run(`INSTALL ${name}`);
  process.stdout.write(`DuckDB ${duckdb.library_version()} installed ${name}\n`);
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
