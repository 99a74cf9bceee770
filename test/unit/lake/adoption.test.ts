import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SealedSegment } from "../../../src/buffer/types.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { changeFromOutside, column, interceptCommit, LakeFixture, LOST_ANSWER, query, target } from "./lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];

describe("Parquet files of segments", () => {
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

  /** Rows first .. first + 3, in two files, of the table as it is now. */
  async function segmentOf(firstSeq: number, first = firstSeq, more = ""): Promise<SealedSegment> {
    const shape = await lake.describe(target("t"));
    const select = (from: number, to: number) =>
      `SELECT range AS id, 'v' || range AS v${more} FROM range(${from}, ${to})`;
    const segment = await fixture.segment({
      target: target("t"),
      columns: shape?.columns ?? COLUMNS,
      firstSeq,
      select: "SELECT 0, '' LIMIT 0",
      parquet: [select(first, first + 2), select(first + 2, first + 4)],
    });
    return { ...segment, tableId: shape?.id };
  }

  const flush = async (segment: SealedSegment) => await lake.commitFlush([await fixture.part(segment)]);
  const idsOf = async (name = "id") => (await query(lake, `SELECT ${name} FROM t ORDER BY 1`)).map((row) => row[name]);
  const filesIn = async () =>
    (await readdir(join(fixture.dataPath, "main", "t")).catch(() => [])).filter((name) => name.endsWith(".parquet"));
  /** Of the table's files: how many DuckLake did not write. */
  async function adopted(): Promise<number> {
    const metadata = "__ducklake_metadata_lake";
    const [row] = await changeFromOutside(lake, `SELECT count(mapping_id) AS n FROM ${metadata}.ducklake_data_file`);
    return Number(row?.["n"]);
  }

  it("become the table's own, once", async () => {
    const segment = await segmentOf(1);
    expect(await flush(segment)).toMatchObject({
      failures: [],
      outcomes: [{ rowsInserted: 4, alreadyCommitted: false }],
    });
    expect(await flush(segment)).toMatchObject({
      failures: [],
      outcomes: [{ rowsInserted: 0, alreadyCommitted: true }],
    });
    await flush(await segmentOf(5));
    expect(await idsOf()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await adopted()).toBe(4);
    expect(await filesIn()).toHaveLength(4);
    // What was in the buffer is not the lake's.
    await fixture.forget(segment);
    expect(await idsOf()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it.each([
    ["a renamed column", "ALTER TABLE t RENAME id TO number", "number"],
    ["a wider type", "ALTER TABLE t ALTER id TYPE HUGEINT", "id"],
    ["another column", "ALTER TABLE t ADD COLUMN more VARCHAR DEFAULT 'x'", "id"],
    ["one column less", "ALTER TABLE t DROP COLUMN v", "id"],
    ["partitions", "ALTER TABLE t SET PARTITIONED BY (v)", "id"],
    ["an order", "ALTER TABLE t SET SORTED BY (id)", "id"],
    ["a key", "key", "id"],
    ["NOT NULL", "ALTER TABLE t ALTER id SET NOT NULL", "id"],
    ["another compression", "CALL lake.set_option('parquet_compression', 'zstd')", "id"],
  ])("are inserted as rows when the table has got %s meanwhile", async (_, change, id) => {
    if (change.includes("NOT NULL")) await query(lake, "INSERT INTO t VALUES (0, 'v0')");
    const segment = await segmentOf(1);
    if (change === "key") await lake.setPrimaryKey(target("t"), ["id"]);
    else await query(lake, change);
    expect(await flush(segment)).toMatchObject({ failures: [] });
    expect((await idsOf(id)).slice(-4)).toEqual([1, 2, 3, 4]);
    expect(await adopted()).toBe(0);
  });

  it("are inserted by their last rows when the table has got a key", async () => {
    const first = await segmentOf(1, 10);
    const second = await segmentOf(5, 12);
    await lake.setPrimaryKey(target("t"), ["id"]);
    expect(await lake.commitFlush([await fixture.part(first, second)])).toMatchObject({ failures: [] });
    expect(await idsOf()).toEqual([10, 11, 12, 13, 14, 15]);
  });

  it("are inserted as rows when one of them has no statistics, or no columns of a table that is no more", async () => {
    const segment = await segmentOf(1);
    const parquet = segment.parquet.map((file, i) => ({ ...file, hasStatistics: i === 0 }));
    expect(await flush({ ...segment, parquet })).toMatchObject({ failures: [] });
    expect(await adopted()).toBe(0);
    const later = await segmentOf(5);
    await query(lake, "DROP TABLE t");
    await query(lake, "CREATE TABLE t (v VARCHAR, id BIGINT)");
    expect(await flush(later)).toMatchObject({ failures: [] });
    expect(await idsOf()).toEqual([5, 6, 7, 8]);
    expect(await adopted()).toBe(0);
  });

  it("are inserted as rows, in the same flush, when DuckLake does not take them", async () => {
    const segment = await segmentOf(1, 1, ", 'not in the table' AS other");
    expect(await flush(segment)).toMatchObject({ failures: [], outcomes: [{ rowsInserted: 4 }] });
    expect(await idsOf()).toEqual([1, 2, 3, 4]);
    expect(await adopted()).toBe(0);
    expect(await filesIn()).toHaveLength(1);
  });

  it("keep their values in a data path whose folders are named like a partition's", async () => {
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({
      catalog: `duckdb:${join(fixture.folder, "other.ducklake")}`,
      dataPath: join(fixture.folder, "id=7"),
    });
    await lake.createTable({ target: target("t"), columns: COLUMNS, primaryKey: [] });
    expect(await flush(await segmentOf(1))).toMatchObject({ failures: [] });
    expect(await adopted()).toBe(2);
    expect(await idsOf()).toEqual([1, 2, 3, 4]);
  });

  it("leave nothing in the lake when their transaction does not come to COMMIT", async () => {
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({ spec: { "commit.before_commit": { action: "error", message: "no" } } });
    const segment = await segmentOf(1);
    expect((await flush(segment)).failures).toHaveLength(1);
    expect(await filesIn()).toEqual([]);
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open();
    expect(await flush(segment)).toMatchObject({ failures: [] });
    expect(await filesIn()).toHaveLength(2);
    expect(await idsOf()).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ["committed", true],
    ["not committed", false],
  ])("are there once after a COMMIT whose answer was lost, and which was %s", async (_, commits) => {
    const segment = await segmentOf(1);
    interceptCommit(lake, async (commit) => {
      if (commits) {
        await commit();
        // What DuckLake does to files of its own.
        for (const name of await filesIn()) await rm(join(fixture.dataPath, "main", "t", name));
      }
      throw new Error(LOST_ANSWER);
    });
    expect(await flush(segment)).toMatchObject({ failures: [], wasInDoubt: true });
    expect(await idsOf()).toEqual([1, 2, 3, 4]);
    expect(await adopted()).toBe(2);
  });
});
