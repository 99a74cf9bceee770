import { join } from "node:path";
import { REPO } from "./repo.ts";

/** Where `scripts/test.mjs` has put the extension. */
export function extensionPath(name: string): string {
  return join(process.env["EIDER_EXTENSION_DIR"] ?? join(REPO, ".extensions"), `${name}.duckdb_extension`);
}
