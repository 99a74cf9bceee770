import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Policy } from "../../../src/housekeeping/chores.ts";
import { lakeChores } from "../../../src/housekeeping/chores.ts";
import { Housekeeper, type HousekeeperOptions, type TaskResult } from "../../../src/housekeeping/housekeeper.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { column, LakeFixture, query, silent, target } from "../lake/lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];
const POLICY: Policy = {
  mergeFiles: 5,
  rewriteFlushes: 5,
  rewriteDeleteRatio: 0.05,
  expireSeconds: 0,
  cleanSeconds: 0,
};

describe("housekeeping", () => {
  let fixture: LakeFixture;
  let lake: Lake;
  let nowMs = 0;
  const ended: Array<readonly [string, TaskResult]> = [];

  beforeEach(async () => {
    fixture = await LakeFixture.make();
    lake = await fixture.open();
    ended.length = 0;
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const housekeeper = (options: Partial<HousekeeperOptions> = {}) =>
    new Housekeeper({
      lake,
      isFlushing: () => false,
      policy: POLICY,
      intervalMs: 1000,
      lakeIntervalMs: 1000,
      concurrency: 2,
      observer: { ended: (kind, result) => ended.push([kind, result]) },
      clock: { nowMs: () => nowMs, after: () => () => {} },
      log: silent,
      ...options,
    });

  const flush = async (table: string, primaryKey: readonly string[], firstSeq: number, values: string) => {
    const spec = { target: target(table), columns: COLUMNS, primaryKey, firstSeq, select: values };
    const result = await lake.commitFlush([await fixture.part(await fixture.segment(spec))]);
    expect(result.failures).toEqual([]);
  };
  const filesOf = async (table: string) => {
    const found = (await lake.info()).tables.find((row) => row.target.table === table);
    return { data: found?.dataFiles, deletes: found?.deleteFiles };
  };

  it("merges small files, rewrites files with deletions, and the rows stay the same", async () => {
    await lake.createTable({ target: target("plain"), columns: COLUMNS, primaryKey: [] });
    await lake.createTable({ target: target("keyed"), columns: COLUMNS, primaryKey: ["id"] });
    for (let i = 0; i < 6; i++) {
      await flush("plain", [], 1 + i * 10, `SELECT range + ${i * 10}, 'p' FROM range(10)`);
      await flush("keyed", ["id"], 1 + i * 100, `SELECT range * ${i + 1}, '${i}', 1 FROM range(100)`);
    }
    const contents = async () => [
      await query(lake, "FROM plain ORDER BY ALL"),
      await query(lake, "FROM keyed ORDER BY ALL"),
    ];
    const before = await contents();
    expect(await filesOf("plain")).toEqual({ data: 6, deletes: 0 });
    expect((await filesOf("keyed")).deletes).toBeGreaterThanOrEqual(5);
    await using keeper = housekeeper();
    await keeper.round();
    await keeper.round();
    expect(ended).toContainEqual(["merge", "done"]);
    expect(ended).toContainEqual(["rewrite", "done"]);
    expect(await filesOf("plain")).toEqual({ data: 1, deletes: 0 });
    expect((await filesOf("keyed")).deletes).toBeLessThan(5);
    expect(await contents()).toEqual(before);
    expect(readdirSync(fixture.guardDir)).toEqual([]);
    ended.length = 0;
    await keeper.round();
    expect(ended).toEqual([]);
  });

  it("leaves tables alone that are being flushed, or that the lake says to leave", async () => {
    for (const table of ["busy", "kept"]) {
      await lake.createTable({ target: target(table), columns: COLUMNS, primaryKey: [] });
      for (let i = 0; i < 5; i++) await flush(table, [], 1 + i, `VALUES (${i}, 'x')`);
    }
    await query(lake, "CALL lake.set_option('auto_compact', false, table_name => 'kept')");
    await using keeper = housekeeper({ isFlushing: ({ table }) => table === "busy" });
    await keeper.round();
    expect(ended).toEqual([]);
    expect([(await filesOf("busy")).data, (await filesOf("kept")).data]).toEqual([5, 5]);
  });

  it("a flush and a rewrite of the same table: one of them is made again, and nothing is lost", async () => {
    await lake.createTable({ target: target("keyed"), columns: COLUMNS, primaryKey: ["id"] });
    for (let i = 0; i < 6; i++) await flush("keyed", ["id"], 1 + i * 100, `SELECT range, '${i}', 1 FROM range(100)`);
    await using keeper = housekeeper({ policy: { ...POLICY, rewriteFlushes: 1 } });
    for (let i = 6; i < 12; i++) {
      await Promise.all([
        keeper.round(),
        flush("keyed", ["id"], 1 + i * 100, `SELECT range + 50, '${i}', 1 FROM range(100)`),
      ]);
    }
    expect(ended.filter(([, result]) => result === "failed")).toEqual([]);
    expect(await query(lake, "SELECT count(*) AS n, count(DISTINCT id) AS d, max(v::INT) AS v FROM keyed")).toEqual([
      { n: 150, d: 150, v: 11 },
    ]);
  });

  it("expires old snapshots and deletes old files, but nothing younger than an hour", async () => {
    await lake.createTable({ target: target("plain"), columns: COLUMNS, primaryKey: [] });
    await flush("plain", [], 1, "VALUES (1, 'x')");
    const { snapshots } = await lake.info();
    nowMs = 1_000_000;
    await using keeper = housekeeper({ policy: { ...POLICY, expireSeconds: 1, cleanSeconds: 1 } });
    nowMs += 1000;
    await keeper.round();
    expect(ended.map(([kind]) => kind).sort()).toEqual(["clean", "expire", "orphans"]);
    expect((await lake.info()).snapshots).toBe(snapshots);
    expect(lakeChores({ ...POLICY, expireSeconds: 60 }, 7200)).toEqual([{ kind: "expire", olderThanSeconds: 10_800 }]);
  });

  it("does the next chore of a table when one finds nothing to do, and looks again only once the files have changed", async () => {
    await lake.createTable({ target: target("keyed"), columns: COLUMNS, primaryKey: ["id"] });
    // Many files, each with a deleted share far below the ratio.
    for (let i = 0; i < 6; i++) {
      const values = `SELECT range + ${i * 1000}, '${i}', 1 FROM range(1000) UNION ALL SELECT ${Math.max(0, i - 1) * 1000}, '${i}', 1`;
      await flush("keyed", ["id"], 1 + i * 2000, i === 0 ? `SELECT range, '0', 1 FROM range(1000)` : values);
    }
    expect((await filesOf("keyed")).deletes).toBeGreaterThanOrEqual(5);
    await using keeper = housekeeper({ policy: { ...POLICY, rewriteDeleteRatio: 0.5 } });
    await keeper.round();
    expect(ended[0]).toEqual(["rewrite", "nothing"]);
    expect(ended.map(([kind]) => kind)).toEqual(["rewrite", "merge"]);
    ended.length = 0;
    // Whatever merging found: nothing that found nothing is asked again about the same files.
    await keeper.round();
    await keeper.round();
    const settled = ended.length;
    await keeper.round();
    expect(ended.length).toBe(settled);
  });

  it("begins nothing that it only learns of after it was stopped", async () => {
    await lake.createTable({ target: target("plain"), columns: COLUMNS, primaryKey: [] });
    for (let i = 0; i < 5; i++) await flush("plain", [], 1 + i, `VALUES (${i}, 'x')`);
    let answer = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const keeper = housekeeper({
      lake: {
        info: async () => {
          const info = await lake.info();
          await asked;
          return info;
        },
        maintain: (work, control) => lake.maintain(work, control),
      },
    });
    const round = keeper.round();
    const stopped = keeper[Symbol.asyncDispose]();
    answer();
    await Promise.all([round, stopped]);
    expect(ended).toEqual([]);
    expect((await filesOf("plain")).data).toBe(5);
  });

  it("commits nothing that was cancelled between its statements", async () => {
    await lake.createTable({ target: target("plain"), columns: COLUMNS, primaryKey: [] });
    for (let i = 0; i < 5; i++) await flush("plain", [], 1 + i, `VALUES (${i}, 'x')`);
    // Read once before the statement and once before COMMIT: the cancel comes while the files are being guarded.
    let readings = 0;
    const { signal } = new AbortController();
    Object.defineProperty(signal, "aborted", { get: () => ++readings > 2 });
    const cancelled = lake.maintain({ kind: "merge", target: target("plain") }, { signal, onProgress: () => {} });
    await expect(cancelled).rejects.toMatchObject({ code: "cancelled" });
    expect((await filesOf("plain")).data).toBe(5);
    expect(readdirSync(fixture.guardDir)).toEqual([]);
  });

  it("a slow task holds up its own table alone", async () => {
    for (const table of ["slow", "quick"]) {
      await lake.createTable({ target: target(table), columns: COLUMNS, primaryKey: [] });
      for (let i = 0; i < 5; i++) await flush(table, [], 1 + i, `VALUES (${i}, 'x')`);
    }
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const calls: string[] = [];
    let look = () => {};
    const keeper = housekeeper({
      lake: {
        info: () => lake.info(),
        maintain: async (work) => {
          const table = "target" in work ? work.target.table : "";
          calls.push(table);
          if (table === "slow") await held;
          return 1;
        },
      },
      clock: {
        nowMs: () => 0,
        after: (_, work) => {
          look = work;
          return () => {};
        },
      },
    });
    keeper.start();
    look();
    await expect.poll(() => calls.toSorted()).toEqual(["quick", "slow"]);
    await expect.poll(() => keeper.tasks.views.map(({ target: of }) => of?.table)).toEqual(["slow"]);
    const quickCalls = () => {
      look();
      return calls.filter((table) => table === "quick").length;
    };
    await expect.poll(quickCalls).toBeGreaterThan(2);
    expect(calls.filter((table) => table === "slow")).toHaveLength(1);
    release();
    await keeper[Symbol.asyncDispose]();
  });

  it("an instance that dies during a task is opened anew, and the task is done by the next one", async () => {
    await lake.createTable({ target: target("plain"), columns: COLUMNS, primaryKey: [] });
    for (let i = 0; i < 5; i++) await flush("plain", [], 1 + i, `VALUES (${i}, 'x')`);
    const killer = await lake.connect();
    await killer.run("CREATE TABLE poison(t TIME_NS)");
    const { database } = lake;
    const connect = database.connect.bind(database);
    // Dies between the task's BEGIN and its work.
    database.connect = async () => {
      const connection = await connect();
      const rows = connection.rows.bind(connection);
      connection.rows = async (sql, values) => {
        if (sql.includes("ducklake_merge")) {
          await expect(killer.run("INSERT INTO poison VALUES ('10:00:00')")).rejects.toThrow(/INTERNAL|FATAL/);
        }
        return await rows(sql, values);
      };
      return connection;
    };
    const control = { signal: new AbortController().signal, onProgress: () => {} };
    const merge = { kind: "merge", target: target("plain") } as const;
    await expect(lake.maintain(merge, control)).rejects.toThrow(/FATAL|INTERNAL|invalidated/);
    expect(lake.database).not.toBe(database);
    expect(await lake.maintain(merge, control)).toBeGreaterThan(0);
    expect((await filesOf("plain")).data).toBe(1);
  });

  /** More of them: `npm run test:housekeeping:long`. */
  const ROUNDS = Number(process.env["EIDER_HOUSEKEEPING_ROUNDS"] ?? 10);
  it("rounds and flushes leave no file handle and no connection open", { timeout: 3_600_000 }, async () => {
    await lake.createTable({ target: target("keyed"), columns: COLUMNS, primaryKey: ["id"] });
    await using keeper = housekeeper({ policy: { ...POLICY, mergeFiles: 2, rewriteFlushes: 1 } });
    const round = async (i: number) => {
      await flush("keyed", ["id"], 1 + i * 10, `SELECT range + ${i}, 'x', 1 FROM range(10)`);
      await keeper.round();
    };
    const open = () => ({ files: readdirSync("/proc/self/fd").length, connections: lake.database.connectionCount });
    for (let i = 0; i < 5; i++) await round(i);
    const before = open();
    for (let i = 5; i < 5 + ROUNDS; i++) await round(i);
    const after = open();
    expect(after.connections).toBe(before.connections);
    expect(after.files).toBeLessThanOrEqual(before.files + 2);
    expect(ended.filter(([, result]) => result === "done").length).toBeGreaterThan(0);
    expect(ended.filter(([, result]) => result === "failed")).toEqual([]);
  });

  it("tasks that wait or run can be cancelled, and show themselves meanwhile", async () => {
    await using keeper = housekeeper({
      concurrency: 1,
      lake: {
        info: async () => {
          throw new Error("not asked");
        },
        maintain: async () => 0,
      },
    });
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const seen: string[] = [];
    const first = keeper.tasks.add({ kind: "a", target: undefined, priority: 0 }, async ({ signal, onProgress }) => {
      onProgress(() => 40);
      await held;
      seen.push(`a ${signal.aborted}`);
    });
    const low = keeper.tasks.add({ kind: "low", target: undefined, priority: 0 }, async () => void seen.push("low"));
    const high = keeper.tasks.add({ kind: "high", target: undefined, priority: 9 }, async () => void seen.push("high"));
    const gone = keeper.tasks.add({ kind: "gone", target: undefined, priority: 5 }, async () => void seen.push("gone"));
    const views = keeper.tasks.views;
    expect(views.map(({ kind, progress }) => [kind, progress])).toEqual([
      ["a", 40],
      ["low", undefined],
      ["high", undefined],
      ["gone", undefined],
    ]);
    expect(keeper.tasks.cancel(views[3]?.id ?? 0)).toBe(true);
    expect(keeper.tasks.cancel(views[0]?.id ?? 0)).toBe(true);
    expect(keeper.tasks.cancel(999)).toBe(false);
    release();
    await Promise.all([first, low, high, gone]);
    expect(seen).toEqual(["a true", "high", "low"]);
    expect(keeper.tasks.views).toEqual([]);
  });
});
