// The folder of DuckDB's extensions that tests and benchmarks share with the server. Needs a build.
import { execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.EIDER_DIST ?? "dist";

/** Fetches `names`, or all that Eider can use, and names their folder in EIDER_EXTENSION_DIR for this process and its
 * children. Returns the folder; throws when an extension cannot be had. */
export async function setupExtensions(...names) {
  process.env.EIDER_EXTENSION_DIR ??= await defaultDir();
  execFileSync(process.execPath, [fileURLToPath(new URL("fetch-extensions.mjs", import.meta.url)), ...names], {
    stdio: ["ignore", 2, 2],
    cwd: root,
  });
  return process.env.EIDER_EXTENSION_DIR;
}

/** Where a server of this user's, started without settings, looks. */
async function defaultDir() {
  const { loadConfig } = await import(new URL(`../${dist}/src/config/load.js`, import.meta.url));
  const home = { HOME: process.env.HOME ?? homedir() };
  return loadConfig({ flags: { values: {}, unknown: [] }, env: home, cwd: root }).config.extensionDir;
}
