import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { CATALOG_ROWS } from "./catalog-rows.ts";

/** Bulk ingests that become Parquet files of the lake without a second write, and what becomes of such tables. */
describe.each(CATALOG_ROWS)("$name", ({ missing, make }) => {
  const why = missing === undefined ? "" : ` (${missing})`;

  test.skipIf(why !== "")(`files that the lake takes as they are are like its own${why}`, async () => {
    await using scope = new Scope();
    const folder = scope.use(tempDir("adopted"));
    const { settings } = await make(folder.path, (resource) => scope.use(resource));
    // Streams of four times as many bytes become files.
    const eider = scope.use(await startEider({ settings: { ...settings, stageMemoryBytes: 4096 } }));
    const module = join(REPO, "test", "lakes", "python", "adoption_cases.py");
    const results = await runPython<Record<string, string | null>>(join(REPO, "test", "support", "cases.py"), null, {
      args: [module, "--uri", eider.flightUri, "--http", eider.httpUrl, "--data", eider.dataDir],
      env: { PYTHONPATH: join(REPO, "test", "integration", "python") },
    });
    expect(Object.values(results).filter((error) => error !== null)).toEqual([]);
    expect(Object.keys(results)).toHaveLength(2);
  });
});
