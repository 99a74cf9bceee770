import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

function versionIn(path: string | URL): string {
  return JSON.parse(readFileSync(path, "utf8")).version;
}

/** The package's version; package.json is two folders above the compiled file. */
export const VERSION = versionIn(new URL("../../package.json", import.meta.url));

/** apache-arrow exports no version and does not export its package.json: it lies beside the file that is imported. */
export const ARROW_VERSION = versionIn(
  join(dirname(createRequire(import.meta.url).resolve("apache-arrow")), "package.json"),
);
