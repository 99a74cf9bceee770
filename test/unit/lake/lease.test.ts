import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Lake } from "../../../src/lake/lake.ts";
import { startOpenLimit } from "../../../src/lake/open-limit.ts";
import { changeFromOutside, column, interceptCommit, LakeFixture, query, target } from "./lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT")];

describe("the lease of a data folder", () => {
  let fixture: LakeFixture;
  let lake: Lake;

  beforeEach(async () => {
    fixture = await LakeFixture.make();
    lake = await fixture.open();
    await lake.createTable({ target: target("t"), columns: COLUMNS, primaryKey: [] });
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const flush = async (firstSeq: number) =>
    lake.commitFlush([
      await fixture.part(
        await fixture.segment({ target: target("t"), columns: COLUMNS, firstSeq, select: `VALUES (${firstSeq})` }),
      ),
    ]);

  /** What a server that starts on a copy of the folder does to the lake. */
  const takeOver = () =>
    changeFromOutside(
      lake,
      "UPDATE _eider.\"watermark_writer-1\" SET last_seq = 7 WHERE target_schema = '' AND target_table = ''",
    );

  it("a server whose folder another one has taken over flushes nothing more, and says so", async () => {
    expect((await flush(1)).failures).toEqual([]);
    await takeOver();
    expect((await flush(2)).failures).toMatchObject([{ error: { code: "config_invalid", message: /has taken over/ } }]);
    expect(lake.isTakenOver).toBe(true);
    expect(await query(lake, "FROM t")).toEqual([{ id: 1 }]);
    await expect(lake.watermarks()).rejects.toThrow(/has taken over/);
  });

  it("a take-over makes a flush void that is under way", async () => {
    await flush(1);
    interceptCommit(lake, async (commit) => {
      await takeOver();
      return commit();
    });
    const { failures } = await flush(2);
    expect(failures).toMatchObject([{ error: { code: "config_invalid" } }]);
    expect(await query(lake, "FROM t")).toEqual([{ id: 1 }]);
  });

  it("an older copy of a folder that was served since is refused; one without its writer-id is not", async () => {
    const copy = join(fixture.folder, "copied-lease");
    await cp(join(fixture.folder, "lease"), copy);
    await flush(1);
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open();
    await lake[Symbol.asyncDispose]();
    await expect(fixture.open({ leaseFile: copy })).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringMatching(/is an older copy/),
    });
    lake = await fixture.open({ leaseFile: copy, writerId: "another" });
    expect(await lake.lastSeq(target("t"))).toBe(0);
  });

  it("a catalog that was restored, and a folder that has lost the file, are served", async () => {
    const catalog = join(fixture.folder, "catalog.ducklake");
    await lake[Symbol.asyncDispose]();
    await cp(catalog, `${catalog}.backup`);
    lake = await fixture.open();
    await lake[Symbol.asyncDispose]();
    await cp(`${catalog}.backup`, catalog);
    lake = await fixture.open();
    await lake[Symbol.asyncDispose]();
    await rm(join(fixture.folder, "lease"));
    lake = await fixture.open();
    expect((await flush(1)).failures).toEqual([]);
  });
});

it("a transaction that has been open for long is not committed", () => {
  for (const which of [0, 1]) {
    const nowMs = [0, 0];
    const throwIfTooOld = startOpenLimit([() => nowMs[0] ?? 0, () => nowMs[1] ?? 0]);
    nowMs[which] = 44 * 60_000;
    throwIfTooOld();
    nowMs[which] = 46 * 60_000;
    expect(throwIfTooOld).toThrow(/open for 45 minutes/);
  }
});
