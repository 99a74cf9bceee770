import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { targetKey } from "../../../src/base/target.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import type { CommitResult } from "../../../src/lake/types.ts";
import { column, LakeFixture, query, target } from "./lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];
const INSERT = 0;
const UPSERT = 1;
const DELETE = 2;

describe("flush transactions", () => {
  let fixture: LakeFixture;
  let lake: Lake;

  beforeEach(async () => {
    fixture = await LakeFixture.make();
    lake = await fixture.open();
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const create = (table: string, primaryKey: readonly string[], schema = "main") =>
    lake.createTable({ target: target(table, schema), columns: COLUMNS, primaryKey });

  const appended = (table: string, firstSeq: number, ids: readonly number[]) =>
    fixture.segment({
      target: target(table),
      columns: COLUMNS,
      firstSeq,
      select: `VALUES ${ids.map((id) => `(${id}, 'v${id}')`).join(", ")}`,
    });

  const keyed = (table: string, firstSeq: number, rows: ReadonlyArray<readonly [number, string | null, number]>) =>
    fixture.segment({
      target: target(table),
      columns: COLUMNS,
      primaryKey: ["id"],
      firstSeq,
      select: `VALUES ${rows.map(([id, v, op]) => `(${id}, ${v === null ? "NULL" : `'${v}'`}, ${op})`).join(", ")}`,
    });

  const contents = async (table: string) =>
    (await query(lake, `SELECT id, v FROM ${table} ORDER BY ALL`)).map((row) => [row["id"], row["v"]]);

  const expectClean = (result: CommitResult) => {
    expect(result.failures).toEqual([]);
  };

  const dataFiles = async () =>
    (await readdir(fixture.dataPath, { recursive: true })).filter((name) => name.endsWith(".parquet"));

  it("a column that another tool has widened is flushed at the second attempt, though no file was added", async () => {
    const narrow = [column("id", "INTEGER"), column("v", "VARCHAR")];
    await lake.createTable({ target: target("t"), columns: narrow, primaryKey: ["id"] });
    const flush = async (firstSeq: number, v: string) => {
      const select = `SELECT range::INTEGER, '${v}', ${UPSERT} FROM range(100)`;
      const segment = await fixture.segment({
        ...{ target: target("t"), columns: narrow, primaryKey: ["id"] },
        ...{ firstSeq, select },
      });
      return lake.commitFlush([
        { target: target("t"), segments: [segment], compaction: await fixture.compact([segment]) },
      ]);
    };
    expectClean(await flush(1, "old"));
    expect(await query(lake, "SELECT v FROM t WHERE id = 7")).toEqual([{ v: "old" }]);
    await query(lake, "ALTER TABLE t ALTER id TYPE BIGINT");
    const { failures } = await flush(101, "new");
    expect(failures.map(({ error }) => error.message).join()).toContain("SetMin or SetMax");
    expectClean(await flush(101, "new"));
    expect(await query(lake, "SELECT v FROM t WHERE id = 7")).toEqual([{ v: "new" }]);
  });

  it("an append-only table gets its rows, its watermark, and one file for several segments", async () => {
    await create("t", []);
    const segments = [
      await appended("t", 1, [1, 2]),
      await appended("t", 3, [3]),
      await appended("t", 4, [1]),
    ] as const;
    const result = await lake.commitFlush([await fixture.part(...segments)]);
    expectClean(result);
    expect(result).toMatchObject({
      outcomes: [{ rowsInserted: 4, rowsDeleted: 0, alreadyCommitted: false, target: target("t") }],
      wasInDoubt: false,
      conflicts: [],
    });
    expect(await contents("t")).toEqual([
      [1, "v1"],
      [1, "v1"],
      [2, "v2"],
      [3, "v3"],
    ]);
    expect(await lake.lastSeq(target("T"))).toBe(4);
    expect(await dataFiles()).toHaveLength(1);
    expect((await lake.info()).tables).toMatchObject([{ target: target("t"), dataFiles: 1, deleteFiles: 0 }]);
    expect(await readdir(fixture.guardDir)).toEqual([]);
  });

  it("the last write of a key wins over segments and over what the lake has", async () => {
    await create("t", ["id"]);
    await query(lake, "INSERT INTO t SELECT i, 'old' FROM range(1, 8) r(i)");
    const segments = [
      await keyed("t", 1, [
        [1, "a", UPSERT],
        [2, "b", UPSERT],
        [3, null, DELETE],
        [10, "x", UPSERT],
        [1, "a2", UPSERT],
      ]),
      await keyed("t", 6, [
        [2, null, DELETE],
        [3, "back", UPSERT],
        [10, null, DELETE],
        [11, "new", INSERT],
      ]),
      await keyed("t", 10, [[99, null, DELETE]]),
    ] as const;
    const result = await lake.commitFlush([await fixture.part(...segments)]);
    expectClean(result);
    expect(result.outcomes[0]).toMatchObject({ rowsInserted: 3, rowsDeleted: 3 });
    expect(await contents("t")).toEqual([
      [1, "a2"],
      [3, "back"],
      [4, "old"],
      [5, "old"],
      [6, "old"],
      [7, "old"],
      [11, "new"],
    ]);
    expect(await lake.lastSeq(target("t"))).toBe(10);
  });

  it("a delete that a later insert of the key has beaten still removes the lake's row", async () => {
    await create("t", ["id"]);
    await query(lake, "INSERT INTO t VALUES (1, 'old')");
    await lake.commitFlush([
      await fixture.part(
        await keyed("t", 1, [
          [1, null, DELETE],
          [1, "new", INSERT],
        ]),
      ),
    ]);
    expect(await contents("t")).toEqual([[1, "new"]]);
  });

  it("inserts alone delete nothing", async () => {
    await create("t", ["id"]);
    await query(lake, "INSERT INTO t VALUES (1, 'old')");
    const result = await lake.commitFlush([
      await fixture.part(
        await keyed("t", 1, [
          [2, "b", INSERT],
          [2, "b2", INSERT],
        ]),
      ),
    ]);
    expect(result.outcomes[0]).toMatchObject({ rowsInserted: 1, rowsDeleted: 0 });
    expect(await contents("t")).toEqual([
      [1, "old"],
      [2, "b2"],
    ]);
  });

  it("composite keys, odd names and types that have widened since", async () => {
    const odd = target('o"d.d', "s 1");
    await lake.createTable({
      target: odd,
      columns: [column('k"1', "INTEGER"), column("k 2", "VARCHAR"), column("n", "INTEGER"), column("gone", "INTEGER")],
      primaryKey: ['k"1', "k 2"],
    });
    await query(lake, `INSERT INTO "s 1"."o""d.d" VALUES (1, 'a', 0, 0), (1, 'b', 0, 0)`);
    const segment = await fixture.segment({
      target: odd,
      columns: [column('k"1', "INTEGER"), column("k 2", "VARCHAR"), column("n", "INTEGER"), column("gone", "INTEGER")],
      primaryKey: ['k"1', "k 2"],
      firstSeq: 1,
      select: "VALUES (1, 'a', 7, 1, 1), (2, 'a', 8, 1, 1)",
    });
    await query(lake, `ALTER TABLE "s 1"."o""d.d" ALTER n TYPE BIGINT`);
    await query(lake, `ALTER TABLE "s 1"."o""d.d" DROP COLUMN gone`);
    await query(lake, `ALTER TABLE "s 1"."o""d.d" ADD COLUMN late VARCHAR`);
    expectClean(await lake.commitFlush([await fixture.part(segment)]));
    expect(await query(lake, `SELECT * FROM "s 1"."o""d.d" ORDER BY ALL`)).toEqual([
      { 'k"1': 1, "k 2": "a", n: 7, late: null },
      { 'k"1': 1, "k 2": "b", n: 0, late: null },
      { 'k"1': 2, "k 2": "a", n: 8, late: null },
    ]);
  });

  it("segments with different columns go together", async () => {
    await create("t", []);
    const first = await appended("t", 1, [1]);
    await query(lake, "ALTER TABLE t ADD COLUMN w INTEGER");
    const second = await fixture.segment({
      target: target("t"),
      columns: [...COLUMNS, column("w", "INTEGER")],
      firstSeq: 2,
      select: "VALUES (2, 'b', 22)",
    });
    expectClean(await lake.commitFlush([await fixture.part(first, second)]));
    expect(await query(lake, "SELECT * FROM t ORDER BY id")).toEqual([
      { id: 1, v: "v1", w: null },
      { id: 2, v: "b", w: 22 },
    ]);
  });

  it("rows that were buffered before the table got its key become upserts", async () => {
    await create("t", []);
    await query(lake, "INSERT INTO t VALUES (1, 'old')");
    const segments = [await appended("t", 1, [1, 2]), await appended("t", 3, [2])] as const;
    await lake.setPrimaryKey(target("t"), ["id"]);
    expectClean(await lake.commitFlush([await fixture.part(...segments)]));
    expect(await contents("t")).toEqual([
      [1, "v1"],
      [2, "v2"],
    ]);
  });

  it("several tables are one snapshot, whose message tells the segments", async () => {
    await create("a", []);
    await create("b", ["id"]);
    const before = (await lake.info()).newestSnapshot;
    const parts = [
      await fixture.part(await appended("a", 1, [1])),
      await fixture.part(await keyed("b", 5, [[1, "x", UPSERT]])),
    ];
    expectClean(await lake.commitFlush(parts));
    // One makes the watermark's rows, one is the flush.
    expect((await lake.info()).newestSnapshot).toBe(before + 2);
    const [last] = await query(
      lake,
      "SELECT author, commit_extra_info AS info FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1",
    );
    expect(last?.["author"]).toBe("eider/writer-1");
    expect(JSON.parse(String(last?.["info"])).segments).toMatchObject([
      { table: "main.a", firstSeq: 1, lastSeq: 1, rows: 1 },
      { table: "main.b", firstSeq: 5, lastSeq: 5, rows: 1 },
    ]);
    expect(await lake.watermarks()).toEqual(
      new Map([
        [targetKey(target("a")), 1],
        [targetKey(target("b")), 5],
      ]),
    );
  });

  it("committing the same segments again changes nothing, and only what is above the watermark is added", async () => {
    await create("t", []);
    const first = await appended("t", 1, [1, 2]);
    await lake.commitFlush([await fixture.part(first)]);
    const again = await lake.commitFlush([await fixture.part(first)]);
    expect(again.outcomes).toMatchObject([{ alreadyCommitted: true, rowsInserted: 0, rowsDeleted: 0 }]);
    const second = await appended("t", 3, [3]);
    const both = await lake.commitFlush([await fixture.part(first, second)]);
    expect(both.outcomes).toMatchObject([{ alreadyCommitted: false, rowsInserted: 1 }]);
    expect(await contents("t")).toEqual([
      [1, "v1"],
      [2, "v2"],
      [3, "v3"],
    ]);
  });

  it("segments are detached after success and failure, so that their files can be attached again", async () => {
    await create("t", []);
    const segment = await appended("t", 1, [1]);
    expect(
      (await lake.commitFlush([await fixture.part({ ...segment, target: target("missing") })])).failures,
    ).toHaveLength(1);
    await lake.commitFlush([await fixture.part(segment)]);
    expect(
      await query(lake, "SELECT database_name FROM duckdb_databases() WHERE database_name LIKE '%eider%'"),
    ).toEqual([]);
  });

  it("a part that fails does not hold back the others", async () => {
    await create("good", []);
    await create("strict", []);
    await query(lake, "INSERT INTO strict VALUES (0, 'x')");
    await query(lake, "ALTER TABLE strict ALTER v SET NOT NULL");
    const bad = await fixture.segment({
      target: target("strict"),
      columns: COLUMNS,
      firstSeq: 1,
      select: "VALUES (1, NULL)",
    });
    const damaged = { ...(await appended("damaged", 1, [1])), path: join(fixture.folder, "buffer", "absent.db") };
    const result = await lake.commitFlush([
      { target: target("damaged"), segments: [damaged], compaction: { path: undefined, rowsIn: 1, rowsOut: 1 } },
      await fixture.part(bad),
      await fixture.part(await appended("gone", 1, [1, 2])),
      await fixture.part(await appended("good", 1, [5])),
    ]);
    expect(result.outcomes).toMatchObject([{ target: target("good"), rowsInserted: 1 }]);
    const codes = result.failures.map(({ target: { table }, error }) => [table, error.code]);
    expect(codes.slice(1)).toEqual([
      ["strict", "constraint_violated"],
      ["gone", "table_not_found"],
    ]);
    expect(codes[0]?.[0]).toBe("damaged");
    expect(result.failures[2]?.error.message).toMatch(/main\.gone does not exist.*2 acknowledged rows/);
    expect(await contents("good")).toEqual([[5, "v5"]]);
    expect(await lake.lastSeq(target("strict"))).toBe(0);
    expect(await readdir(fixture.guardDir)).toEqual([]);
  });

  it("a type change that the rows do not survive fails the part by name", async () => {
    await create("t", []);
    const segment = await fixture.segment({
      target: target("t"),
      columns: COLUMNS,
      firstSeq: 1,
      select: "VALUES (1, 'text')",
    });
    await lake.createTable(
      { target: target("t"), columns: [column("v", "INTEGER")], primaryKey: [] },
      { orReplace: true },
    );
    const result = await lake.commitFlush([await fixture.part(segment)]);
    expect(result.failures).toMatchObject([{ target: target("t"), error: { code: "sql_invalid" } }]);
    await lake.createTable(
      { target: target("t"), columns: [column("other", "INTEGER")], primaryKey: [] },
      { orReplace: true },
    );
    const none = await lake.commitFlush([await fixture.part(segment)]);
    expect(none.failures[0]?.error.message).toMatch(/main\.t has none of the columns/);
  });

  it("the watermark works after the lake's inlined data was written to files, and those files are guarded", async () => {
    await create("t", ["id"]);
    await lake.commitFlush([await fixture.part(await keyed("t", 1, [[1, "a", UPSERT]]))]);
    await query(lake, "CALL ducklake_flush_inlined_data('lake')");
    expectClean(await lake.commitFlush([await fixture.part(await keyed("t", 2, [[1, "b", UPSERT]]))]));
    expect(await lake.lastSeq(target("t"))).toBe(2);
    expect(await contents("t")).toEqual([[1, "b"]]);
  });

  it("a watermark row that was doubled from outside stops the flush", async () => {
    await create("t", []);
    await lake.commitFlush([await fixture.part(await appended("t", 1, [1]))]);
    await query(lake, `INSERT INTO lake._eider."watermark_writer-1" VALUES ('main', 't', 0)`);
    const result = await lake.commitFlush([await fixture.part(await appended("t", 2, [2]))]);
    expect(result.failures[0]?.error.message).toMatch(/changed from outside/);
    expect(await contents("t")).toEqual([[1, "v1"]]);
  });

  it("a watermark row that was deleted from outside fails one flush, and is made anew for the next", async () => {
    await create("t", []);
    await lake.commitFlush([await fixture.part(await appended("t", 1, [1]))]);
    await query(lake, `DELETE FROM lake._eider."watermark_writer-1" WHERE target_table = 't'`);
    const part = await fixture.part(await appended("t", 2, [2]));
    expect((await lake.commitFlush([part])).failures[0]?.error.message).toMatch(/changed from outside/);
    expectClean(await lake.commitFlush([part]));
    expect(await contents("t")).toEqual([
      [1, "v1"],
      [2, "v2"],
    ]);
  });

  it("parts for one lake come from several writers without mixing their watermarks", async () => {
    await create("t", []);
    await lake.commitFlush([await fixture.part(await appended("t", 1, [1]))]);
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({ writerId: "another writer/2" });
    expect(await lake.lastSeq(target("t"))).toBe(0);
    await lake.commitFlush([await fixture.part(await appended("t", 1, [2]))]);
    expect(await contents("t")).toEqual([
      [1, "v1"],
      [2, "v2"],
    ]);
  });

  it("no file of the data path is left behind by a failed flush", async () => {
    await create("t", []);
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({ spec: { "commit.before_commit": { action: "error", times: 1 } } });
    const part = await fixture.part(await appended("t", 1, [1]));
    expect((await lake.commitFlush([part])).failures).toHaveLength(1);
    expect(await dataFiles()).toEqual([]);
    expect(await readdir(fixture.guardDir)).toEqual([]);
    expectClean(await lake.commitFlush([part]));
    expect(await contents("t")).toEqual([[1, "v1"]]);
  });
});
