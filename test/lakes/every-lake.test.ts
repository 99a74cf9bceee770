import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { tempDir } from "../support/temp-dir.ts";
import { CATALOG_ROWS } from "./catalog-rows.ts";
import { LakeRun } from "./lake-run.ts";

/** The same for each: what is acknowledged is in the lake once, whatever happens, and DuckDB reads it. */
describe.each(CATALOG_ROWS)("$name", ({ make, missing }) => {
  test.skipIf(missing !== undefined)(
    `all ways in, over kills and restarts${missing ? ` (${missing})` : ""}`,
    async () => {
      await using scope = new Scope();
      const folder = scope.use(tempDir("place"));
      const catalog = await make(folder.path, (resource) => scope.use(resource));
      const dataPath = join(folder.path, "files/");
      const run = scope.use(
        new LakeRun({
          settings: { ...catalog.settings, dataPath },
          attach: { ...catalog.attach, dataPath },
        }),
      );

      await run.live(async (eider) => {
        await run.write(eider);
        expect(await run.flush(eider)).toBeNull();
        await run.write(eider);
        expect(await run.flush(eider)).toBeNull();
        expect(await run.check(eider)).toEqual([]);
        await run.direct(eider);
        expect(await run.check(eider)).toEqual([]);
        const secrets = JSON.stringify(await run.sql(eider, "SELECT path FROM duckdb_databases()"));
        expect(secrets).not.toContain(catalog.settings.catalogPassword || "password=");
      });
      await run.dies({ "commit.before_commit": { action: "kill" } }, async (eider) => {
        await run.write(eider);
        await run.flush(eider);
      });
      // What the first one left is committed at the next one's start, which does not live to know it.
      await run.dies({ "commit.after_commit": { action: "kill" } });
      await run.live(async (eider) => {
        expect(await run.flush(eider)).toBeNull();
        expect(await run.check(eider)).toEqual([]);
        await run.write(eider);
      });

      const verdict = await run.judge();
      expect(verdict.problems, run.logs).toEqual([]);
      expect(verdict.snapshots).toBeGreaterThan(5);
    },
  );
});
