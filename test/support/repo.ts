import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the repository, and the folder in it that holds the compiled code that runs (`dist` unless EIDER_DIST). */
function findRoot(): { readonly root: string; readonly dist: string } {
  let dist = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const parent = dirname(dist);
    if (existsSync(join(parent, "package.json"))) return { root: parent, dist };
    if (parent === dist) throw new Error(`no package.json above ${import.meta.url}`);
    dist = parent;
  }
}

export const { root: REPO, dist: DIST } = findRoot();
