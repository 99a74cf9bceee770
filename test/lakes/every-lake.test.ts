import { describe, expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { tempDir } from "../support/temp-dir.ts";
import { CATALOG_ROWS, type CatalogTestRow } from "./catalog-rows.ts";
import { LakeRun } from "./lake-run.ts";
import { STORE_ROWS, type StoreTestRow } from "./store-rows.ts";

/** Every catalog on the first store; every other store on a catalog that one process has, or on one that many have. */
const PAIRS: ReadonlyArray<{ readonly catalog: CatalogTestRow; readonly store: StoreTestRow }> = [
  ...CATALOG_ROWS.map((catalog) => ({ catalog, store: STORE_ROWS[0] })),
  ...STORE_ROWS.slice(1).map((store, i) => ({ catalog: CATALOG_ROWS[i % 2], store })),
].flatMap(({ catalog, store }) => (catalog && store ? [{ catalog, store }] : []));

async function makeRun({ catalog, store }: (typeof PAIRS)[number], scope: Scope) {
  const folder = scope.use(tempDir("place"));
  const use = <T extends AsyncDisposable>(resource: T) => scope.use(resource);
  const { settings, attach } = await catalog.make(folder.path, use);
  const files = await store.make(folder.path, use);
  const run = new LakeRun({
    settings: { ...settings, ...files.settings },
    ...(files.env ? { env: files.env } : {}),
    attach: {
      ...attach,
      extensions: [...new Set([...attach.extensions, ...files.attach.extensions])],
      setup: [...attach.setup, ...files.attach.setup],
      dataPath: files.attach.dataPath,
    },
  });
  const secrets = [settings.catalogPassword, files.settings.storeSecret, files.settings.storeConnection].flatMap(
    (secret) => secret ?? [],
  );
  return { run: scope.use(run), secrets };
}

/** The same for each: what is acknowledged is in the lake once, whatever happens, and DuckDB reads it. */
describe.each(PAIRS.map((pair) => ({ name: `${pair.catalog.name}, ${pair.store.name}`, pair })))(
  "$name",
  ({ pair }) => {
    const { missing } = pair.catalog;
    const why = missing === undefined ? "" : ` (${missing})`;

    test.skipIf(why !== "")(`all ways in, over kills and restarts${why}`, async () => {
      await using scope = new Scope();
      const { run, secrets } = await makeRun(pair, scope);

      await run.live(async (eider) => {
        await run.write(eider);
        expect(await run.flush(eider)).toBeNull();
        await run.write(eider);
        expect(await run.flush(eider)).toBeNull();
        expect(await run.check(eider)).toEqual([]);
        await run.direct(eider);
        expect(await run.check(eider)).toEqual([]);
        await run.widen(eider);
        const shown = await run.sql(
          eider,
          "SELECT path FROM duckdb_databases() UNION ALL SELECT secret_string FROM duckdb_secrets()",
        );
        for (const secret of secrets) expect(JSON.stringify(shown)).not.toContain(secret);
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
    });
  },
);
