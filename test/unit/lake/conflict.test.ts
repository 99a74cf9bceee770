import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Lake } from "../../../src/lake/lake.ts";
import type { LakeOptions } from "../../../src/lake/options.ts";
import { column, interceptCommit, LakeFixture, query, target } from "./lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];

describe("flushes beside other committers", () => {
  let fixture: LakeFixture;
  let lake: Lake;

  beforeEach(async () => {
    fixture = await LakeFixture.make();
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const open = async (options: Partial<LakeOptions> = {}) => {
    lake = await fixture.open(options);
    await lake.createTable({ target: target("t"), columns: COLUMNS, primaryKey: ["id"] });
  };

  const upsert = async (firstSeq: number, id: number, v: string) =>
    fixture.part(
      await fixture.segment({
        target: target("t"),
        columns: COLUMNS,
        primaryKey: ["id"],
        firstSeq,
        select: `VALUES (${id}, '${v}', 1)`,
      }),
    );

  const contents = async () =>
    (await query(lake, "SELECT id, v FROM t ORDER BY ALL")).map((row) => [row["id"], row["v"]]);

  it("a flush that another transaction makes void is made again on what the lake holds then", async () => {
    await open();
    await lake.commitFlush([await upsert(1, 1, "first")]);
    interceptCommit(lake, async (commit) => {
      await query(lake, "DELETE FROM t WHERE id = 1");
      return commit();
    });
    const result = await lake.commitFlush([await upsert(2, 1, "second")]);
    expect(result).toMatchObject({ failures: [], conflicts: ["rebase"], wasInDoubt: false });
    expect(result.outcomes).toMatchObject([{ rowsInserted: 1, rowsDeleted: 0 }]);
    expect(await contents()).toEqual([[1, "second"]]);
  });

  it("a column dropped during the flush is left out by the attempt that follows", async () => {
    await open();
    interceptCommit(lake, async (commit) => {
      await query(lake, "ALTER TABLE t DROP COLUMN v");
      return commit();
    });
    const result = await lake.commitFlush([await upsert(1, 1, "a")]);
    expect(result).toMatchObject({ failures: [], conflicts: ["rebase"] });
    expect(await query(lake, "SELECT * FROM t")).toEqual([{ id: 1 }]);
  });

  it("a table dropped during the flush fails its part and keeps its rows", async () => {
    await open();
    interceptCommit(lake, async (commit) => {
      await query(lake, "DROP TABLE t");
      return commit();
    });
    const result = await lake.commitFlush([await upsert(1, 1, "a")]);
    expect(result.failures).toMatchObject([{ target: target("t"), error: { code: "table_not_found" } }]);
    expect(await lake.lastSeq(target("t"))).toBe(0);
  });

  /** A second node's flush of the same new key, as a transaction that commits while ours is open. */
  const otherNode = async (withFence: boolean) => {
    using connection = await lake.connect();
    await connection.transaction(async () => {
      if (withFence) await lake.touchFence(connection, target("t"));
      await connection.run("DELETE FROM t WHERE id IN (SELECT 7)");
      await connection.run("INSERT INTO t VALUES (7, 'other')");
    });
  };

  it("with fences, two flushes of one new key conflict and leave one row", async () => {
    await open({ multiProcess: true });
    await lake.commitFlush([await upsert(1, 1, "a")]);
    interceptCommit(lake, async (commit) => {
      await otherNode(true);
      return commit();
    });
    const result = await lake.commitFlush([await upsert(2, 7, "ours")]);
    expect(result).toMatchObject({ failures: [], conflicts: ["rebase"] });
    expect(await contents()).toEqual([
      [1, "a"],
      [7, "ours"],
    ]);
  });

  it("without fences, the same two flushes leave two rows: what the fence is for", async () => {
    await open();
    await lake.commitFlush([await upsert(1, 1, "a")]);
    interceptCommit(lake, async (commit) => {
      await otherNode(false);
      return commit();
    });
    await lake.commitFlush([await upsert(2, 7, "ours")]);
    expect(await contents()).toEqual([
      [1, "a"],
      [7, "other"],
      [7, "ours"],
    ]);
  });

  it("a direct write's fence is heeded by later flushes, also after reopening, in a lake of one process", async () => {
    await open();
    await otherNode(true);
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open();
    await query(lake, "DELETE FROM t");
    interceptCommit(lake, async (commit) => {
      await otherNode(true);
      return commit();
    });
    const result = await lake.commitFlush([await upsert(1, 7, "ours")]);
    expect(result.failures).toEqual([]);
    expect(await contents()).toEqual([[7, "ours"]]);
  });

  it("flushes asked for at the same time run one after the other", async () => {
    await open();
    const parts = [await upsert(1, 1, "a"), await upsert(2, 1, "b"), await upsert(3, 1, "c")];
    const results = await Promise.all(parts.map((part) => lake.commitFlush([part])));
    expect(results.map(({ conflicts }) => conflicts)).toEqual([[], [], []]);
    expect(await contents()).toEqual([[1, "c"]]);
  });

  /** 100 rows in one file, ten of them deleted since. */
  const openWithDeletions = async () => {
    await open();
    await lake.createTable({ target: target("u"), columns: COLUMNS, primaryKey: [] });
    await query(lake, "INSERT INTO t SELECT range, 'v' FROM range(100)");
    await query(lake, "DELETE FROM t WHERE id % 10 = 0");
  };
  const deleting = new Set(["main", "t"]);
  const remaining = async () => (await query(lake, "SELECT count(id % 10) AS n FROM t"))[0]?.["n"];

  it("of two transactions that delete more rows from a file with deletions one is told of the other", async () => {
    await openWithDeletions();
    using connection = await lake.connect();
    const first = lake.clients.run(
      connection,
      async () => {
        await connection.run("DELETE FROM t WHERE id % 10 = 1");
        await query(lake, "DELETE FROM t WHERE id % 10 = 2");
      },
      deleting,
    );
    await expect(first).rejects.toMatchObject({ code: "write_conflict" });
    expect(await remaining()).toBe(80);
  });

  it("also when the other one was committed long after the snapshot that it read", async () => {
    await openWithDeletions();
    using early = await lake.connect();
    using late = await lake.connect();
    await early.run("BEGIN; DELETE FROM t WHERE id % 10 = 1");
    for (let i = 0; i < 3; i++) await query(lake, `INSERT INTO u VALUES (${i}, 'others')`);
    await late.run("BEGIN; DELETE FROM t WHERE id % 10 = 2");
    await lake.clients.commit(early, undefined, deleting);
    await expect(lake.clients.commit(late, undefined, deleting)).rejects.toMatchObject({ code: "write_conflict" });
    await late.rollback();
    expect(await remaining()).toBe(80);
  });

  it("deletions from other tables, and those that were there before, are no conflict", async () => {
    await openWithDeletions();
    await query(lake, "INSERT INTO u SELECT range, 'v' FROM range(100)");
    await query(lake, "DELETE FROM u WHERE id = 1");
    using connection = await lake.connect();
    await lake.clients.run(
      connection,
      async () => {
        await connection.run("DELETE FROM t WHERE id % 10 = 1");
        await query(lake, "DELETE FROM u WHERE id = 2");
      },
      deleting,
    );
    expect(await remaining()).toBe(80);
  });

  it("a flush that only deletes is made again after a client's deletion", async () => {
    await openWithDeletions();
    const select = "VALUES (1, NULL, 2), (11, NULL, 2)";
    const segment = await fixture.segment({
      target: target("t"),
      columns: COLUMNS,
      primaryKey: ["id"],
      firstSeq: 1,
      select,
    });
    const beforeCommit = async (run: () => Promise<number>) => {
      await query(lake, "DELETE FROM t WHERE id % 10 = 2");
      return run();
    };
    interceptCommit(lake, beforeCommit, /set_commit_message/);
    const result = await lake.commitFlush([await fixture.part(segment)]);
    expect(result).toMatchObject({ failures: [], conflicts: ["rebase"] });
    expect(await remaining()).toBe(78);
  });
});
