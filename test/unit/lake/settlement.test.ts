import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Failpoints } from "../../../src/base/failpoints.ts";
import { Guards } from "../../../src/lake/guard.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { LocalFiles } from "../../../src/lake/local-files.ts";
import { Metadata } from "../../../src/lake/metadata.ts";
import { Settlement } from "../../../src/lake/settlement.ts";
import { commitUnmarked } from "../../../src/lake/unmarked-commit.ts";
import { column, LakeFixture, query, silent, target } from "./lake-fixture.ts";

describe("guards that an earlier process left", () => {
  let fixture: LakeFixture;
  let lake: Lake;
  let guards: Guards;

  /** A lake with one committed flush, its data file gone, and the guard of that flush as a crash would leave it. */
  beforeEach(async () => {
    fixture = await LakeFixture.make();
    lake = await fixture.open({ failpoints: new Failpoints({ "harden.before": { action: "error" } }) });
    const columns = [column("id", "BIGINT")];
    await lake.createTable({ target: target("t"), columns, primaryKey: [] });
    const segment = await fixture.segment({ target: target("t"), columns, firstSeq: 1, select: "VALUES (1), (2)" });
    await lake.commitFlush([await fixture.part(segment)]);
    await lake[Symbol.asyncDispose]();
    const kept = await mkdtemp(join(fixture.folder, "kept-"));
    await cp(fixture.guardDir, kept, { recursive: true });
    lake = await fixture.open();
    await cp(kept, fixture.guardDir, { recursive: true });
    const names = await readdir(fixture.dataPath, { recursive: true });
    for (const name of names) if (name.endsWith(".parquet")) await rm(join(fixture.dataPath, name));
    guards = await Guards.open(await LocalFiles.open(fixture.dataPath, fixture.guardDir), silent);
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const settlement = (commitsMayComeLate: boolean) =>
    new Settlement({
      metadata: new Metadata(undefined),
      guards,
      commitsMayComeLate,
      catalogPath: undefined,
      failpoints: new Failpoints(),
      log: silent,
    });

  it("a commit that may still come late keeps its guard until the watermark shows it, and is then restored", async () => {
    const late = settlement(true);
    const connection = await lake.connect();
    await late.recover(connection, new Map());
    expect(late.hasPending).toBe(true);
    await expect(query(lake, "FROM t")).rejects.toThrow();
    expect(await late.settle(connection, await lake.watermarks())).toBe(false);
    expect(await query(lake, "FROM t ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }]);
    expect(await readdir(fixture.guardDir)).toEqual([]);
  });

  it("a compaction's guard, of which no watermark tells, stays while its commit may come late, and gives back its files", async () => {
    const [flush] = await guards.leftovers();
    if (!flush) throw new Error("the fixture leaves a guard");
    const late = settlement(true);
    const connection = await lake.connect();
    await late.keepCompaction(connection, { ...flush, marks: [] });
    expect(await query(lake, "FROM t ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }]);
    const names = await readdir(fixture.dataPath, { recursive: true });
    for (const name of names) if (name.endsWith(".parquet")) await rm(join(fixture.dataPath, name));
    expect(await late.settle(connection, new Map())).toBe(true);
    expect(await readdir(fixture.guardDir)).toEqual([flush.flushId]);
    expect(
      (await readdir(fixture.dataPath, { recursive: true })).filter((name) => name.endsWith(".parquet")),
    ).toHaveLength(1);
  });

  it("a COMMIT that killed the instance keeps its guard and its own error while the lake cannot be opened anew", async () => {
    const [flush] = await guards.leftovers();
    if (!flush) throw new Error("the fixture leaves a guard");
    const late = settlement(true);
    const connection = await lake.connect();
    connection.run = () => Promise.reject(new Error("FATAL Error: Failed to commit"));
    const services = {
      connect: () => lake.connect(),
      reopen: () => Promise.reject(new Error("the catalog is away")),
      settlement: late,
      log: silent,
    };
    await expect(commitUnmarked(services, connection, { ...flush, marks: [] }, "a test's")).rejects.toThrow(/FATAL/);
    expect(late.hasPending).toBe(true);
    expect(await readdir(fixture.guardDir)).toEqual([flush.flushId]);
  });

  it("a guard that cannot be completed leaves no copies", async () => {
    const files = await LocalFiles.open(fixture.dataPath, fixture.guardDir);
    const save = files.save.bind(files);
    let saves = 0;
    files.save = async (path, to) => {
      if (++saves > 1) throw new Error("ENOSPC: no space left on device");
      await save(path, to);
    };
    await mkdir(join(fixture.dataPath, "main"), { recursive: true });
    for (const name of ["a", "b", "c"]) await writeFile(join(fixture.dataPath, "main", `${name}.parquet`), name);
    const before = await readdir(fixture.guardDir);
    const failing = await Guards.open(files, silent);
    await expect(failing.protectSince(0)).rejects.toThrow(/ENOSPC/);
    expect(await readdir(fixture.guardDir)).toEqual(before);
  });

  it("where a commit ends with its process, what the watermark does not show is dropped", async () => {
    const final = settlement(false);
    await final.recover(await lake.connect(), new Map());
    expect(final.hasPending).toBe(false);
    expect(await readdir(fixture.guardDir)).toEqual([]);
  });

  it("files that the catalog does not refer to are not put back", async () => {
    await query(lake, "DROP TABLE t");
    await query(lake, "CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL 1 DAY)");
    await settlement(false).recover(await lake.connect(), await lake.watermarks());
    expect((await readdir(fixture.dataPath, { recursive: true })).filter((name) => name.endsWith(".parquet"))).toEqual(
      [],
    );
  });
});
