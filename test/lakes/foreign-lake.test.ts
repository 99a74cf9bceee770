import { join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { tempDir } from "../support/temp-dir.ts";
import { LakeRun } from "./lake-run.ts";

test.each([
  ["plain", []],
  ["encrypted", ["ENCRYPTED"]],
])("a %s lake that DuckDB has made: partitions, sorting, inlined rows, older snapshots", async (_, options) => {
  await using scope = new Scope();
  const folder = scope.use(tempDir("foreign"));
  const path = join(folder.path, "catalog.ducklake");
  const dataPath = join(folder.path, "files/");
  const run = scope.use(
    new LakeRun({
      settings: { catalog: `duckdb:${path}`, dataPath },
      attach: { extensions: ["httpfs"], setup: [], catalog: path, options, dataPath },
    }),
  );
  await run.makeForeign();
  await run.live(async (eider) => {
    expect(await run.check(eider)).toEqual([]);
    await run.sql(eider, "CALL eider_set_primary_key('by_key', ['id'])");
    for (let i = 0; i < 2; i++) {
      await run.write(eider);
      expect(await run.flush(eider)).toBeNull();
      expect(await run.check(eider)).toEqual([]);
    }
    await run.direct(eider);
    const [past] = await run.sql(eider, "SELECT count(*) AS n FROM plain AT (VERSION => 5)");
    expect(past).toEqual({ n: 100 });
  });
  const verdict = await run.judge();
  expect(verdict.problems, run.logs).toEqual([]);
  expect(verdict.snapshots).toBeGreaterThan(14);
});
