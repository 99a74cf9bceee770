import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Target } from "../../../src/base/target.ts";
import type { Flusher } from "../../../src/flush/flusher.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { query, target } from "../lake/lake-fixture.ts";
import { COLUMNS, type FakeClock, type FileBuffers, Gate, type RecordingObserver } from "./flush-fixture.ts";
import { FlusherFixture, settled } from "./flusher-fixture.ts";

describe("flusher", () => {
  let fixture: FlusherFixture;
  let lake: Lake;
  let clock: FakeClock;
  let buffers: FileBuffers;
  let observer: RecordingObserver;
  let flusher: Flusher;
  let commits: string[][];

  beforeEach(async () => {
    fixture = await FlusherFixture.make();
    ({ lake, clock, buffers, observer, flusher, commits } = fixture);
  });

  afterEach(() => fixture[Symbol.asyncDispose]());

  const table = (name: string, primaryKey?: readonly string[]) => fixture.table(name, primaryKey);

  /** A buffer whose lake table does not exist. */
  const orphan = async (name: string): Promise<Target> => {
    await buffers.ensureBuffer({ target: target(name), columns: COLUMNS, primaryKey: [] }, 0);
    return target(name);
  };

  const ids = async (name: string) => (await query(lake, `SELECT id FROM ${name} ORDER BY id`)).map((row) => row["id"]);

  it("flush resolves when the rows are in the lake and their segments are gone", async () => {
    const t = await table("t", ["id"]);
    buffers.append(t, [1, "a"], [2, "b"], [1, "c"]);
    await flusher.flush(t, "command");
    expect(await query(lake, "SELECT id, v FROM t ORDER BY id")).toEqual([
      { id: 1, v: "c" },
      { id: 2, v: "b" },
    ]);
    expect(buffers.sealed(t)).toEqual([]);
    expect(observer.records).toMatchObject([
      {
        target: t,
        reason: "command",
        segments: 1,
        rowsIn: 3,
        rowsOut: 2,
        rowsInserted: 2,
        rowsDeleted: 0,
        error: undefined,
      },
    ]);
    expect(flusher.recent).toEqual(observer.records);
    expect(Object.keys(observer.records[0]?.phasesMs ?? {}).sort()).toEqual([
      "commit",
      "compact",
      "guard",
      "harden",
      "remove",
      "write",
    ]);
  });

  it("one that waits for a damaged segment is told so when all other rows are in the lake", async () => {
    const t = await table("t");
    for (const id of [1, 2, 3]) {
      buffers.append(t, [id, "x"]);
      const sealed = await buffers.seal(t, "rows");
      if (id > 1) buffers.damaged.add(sealed?.id ?? "");
    }
    fixture.beforeCommit = (parts) => {
      if (parts.some(({ segments }) => segments.some(({ id }) => buffers.damaged.has(id))))
        throw new Error("unreadable");
    };
    await expect(flusher.flush(t, "command")).rejects.toMatchObject({
      code: "segment_damaged",
      message: expect.stringMatching(/some 2 acknowledged rows .*unreadable/),
    });
    expect(await ids("t")).toEqual([1]);
    expect(buffers.sealed(t)).toEqual([]);
    buffers.append(t, [4, "x"]);
    await flusher.flush(t, "command");
    expect(await ids("t")).toEqual([1, 4]);
  });

  it("an error that no segment is to blame for is tried again later", async () => {
    const t = await table("t");
    buffers.append(t, [1, "x"]);
    fixture.beforeCommit = () => {
      throw new Error("unreadable");
    };
    await expect(flusher.flush(t, "command")).rejects.toThrow("unreadable");
    expect(buffers.sealed(t)).toHaveLength(1);
    fixture.beforeCommit = () => {};
    await flusher.flush(t, "command");
    expect(await ids("t")).toEqual([1]);
  });

  it("flush of an empty or unknown buffer resolves at once and commits nothing", async () => {
    const t = await table("t");
    await flusher.flush(t, "command");
    await flusher.flush(target("never_seen"), "command");
    await flusher.flushAll("command");
    expect(commits).toEqual([]);
  });

  it("while a commit runs, what is sealed gathers and goes together, in order", async () => {
    const [a, b] = [await table("a", ["id"]), await table("b")];
    const gate = new Gate();
    fixture.beforeCommit = () => gate.opened;
    buffers.append(a, [1, "first"]);
    const first = flusher.flush(a, "rows");
    await settled(() => expect(commits).toHaveLength(1));
    for (const v of ["second", "third"]) {
      buffers.append(a, [1, v]);
      await buffers.seal(a, "rows");
      flusher.enqueue(a);
    }
    buffers.append(b, [5, "b"]);
    const others = [flusher.flush(b, "command"), flusher.flush(a, "command")];
    await settled(() => expect(buffers.compacting).toBe(0));
    expect(commits).toEqual([["ax1"]]);
    gate.open();
    await Promise.all([first, ...others]);
    expect(commits.flat().sort()).toEqual(["ax1", "ax2", "bx1"]);
    expect(await query(lake, "SELECT v FROM a")).toEqual([{ v: "third" }]);
    expect(await ids("b")).toEqual([5]);
  });

  it("all tables that are ready when the committer is free are one commit", async () => {
    const tables = await Promise.all(["a", "b", "c", "d"].map((name) => table(name)));
    const gate = new Gate();
    fixture.beforeCommit = () => (commits.length === 1 ? gate.opened : undefined);
    for (const [i, each] of tables.entries()) buffers.append(each, [i, "x"]);
    const done = flusher.flushAll("command");
    await settled(() => expect(observer.records.length + commits.length).toBe(1));
    // The first took what was ready first; the other compactions end while it is held up.
    await settled(() => expect(tables.every((each) => buffers.sealed(each).length === 1)).toBe(true));
    await settled(() => expect(buffers.compacting).toBe(0));
    const waiting = 4 - (commits[0]?.length ?? 0);
    gate.open();
    await done;
    expect(commits).toHaveLength(waiting > 0 ? 2 : 1);
    expect(commits.flat()).toHaveLength(4);
  });

  it("compacts at most as many tables at a time as it may", async () => {
    const tables = await Promise.all(["a", "b", "c", "d", "e"].map((name) => table(name, ["id"])));
    const gate = new Gate();
    buffers.onCompact = () => gate.opened;
    for (const each of tables) buffers.append(each, [1, "x"]);
    const done = flusher.flushAll("command");
    await settled(() => expect(tables.flatMap((each) => buffers.sealed(each))).toHaveLength(5));
    await settled(() => expect(buffers.compacting).toBe(2));
    gate.open();
    await done;
    expect(buffers.mostCompacting).toBe(2);
    expect(buffers.removed).toHaveLength(5);
  });

  it("segments that are keyed differently are not mixed in one batch", async () => {
    const t = await table("t");
    buffers.append(t, [1, "plain"]);
    await buffers.seal(t, "rows");
    await lake.setPrimaryKey(t, ["id"]);
    const keyed = await fixture.lakeFixture.segment({
      target: t,
      columns: COLUMNS,
      primaryKey: ["id"],
      firstSeq: 2,
      select: "VALUES (1, 'keyed', 1)",
    });
    buffers.adopt([keyed]);
    await flusher.flush(t, "command");
    expect(commits).toEqual([["tx1"], ["tx1"]]);
    expect(await query(lake, "SELECT * FROM t")).toEqual([{ id: 1, v: "keyed" }]);
  });

  it("a failing table keeps its rows, is tried again with growing waits, and does not hold back others", async () => {
    const [good, lost] = [await table("good"), await orphan("lost")];
    buffers.append(lost, [1, "x"]);
    buffers.append(good, [2, "y"]);
    await expect(flusher.flushAll("command")).rejects.toMatchObject({ code: "table_not_found" });
    expect(await ids("good")).toEqual([2]);
    expect(flusher.failures(lost)).toMatchObject({
      count: 1,
      error: expect.stringMatching(/main\.lost does not exist/),
    });
    expect(observer.failures).toEqual(["lost:command"]);
    expect(flusher.recent.at(-1)?.error ?? flusher.recent.at(-2)?.error).toMatch(/lost/);

    for (const [attempt, waitMs] of [
      [2, 1_000],
      [3, 2_000],
      [4, 4_000],
    ] as const) {
      expect((flusher.failures(lost).retryAtMs ?? 0) - clock.nowMs()).toBeLessThanOrEqual(waitMs);
      expect((flusher.failures(lost).retryAtMs ?? 0) - clock.nowMs()).toBeGreaterThanOrEqual(waitMs / 2);
      clock.advance(waitMs / 2 - 1);
      expect(flusher.failures(lost).count).toBe(attempt - 1);
      clock.advance(waitMs);
      await settled(() => expect(flusher.failures(lost).count).toBe(attempt));
    }

    await lake.createTable({ target: lost, columns: COLUMNS, primaryKey: [] });
    clock.advance(60_000);
    await settled(() => expect(buffers.sealed(lost)).toEqual([]));
    expect(await ids("lost")).toEqual([1]);
    await settled(() => expect(flusher.failures(lost)).toEqual({ count: 0, error: undefined, retryAtMs: undefined }));
    expect(clock.timers).toBe(0);
  });

  it("enqueue does not shorten a wait after a failure, flush tries at once", async () => {
    const lost = await orphan("lost");
    buffers.append(lost, [1, "x"]);
    await expect(flusher.flush(lost, "command")).rejects.toMatchObject({ code: "table_not_found" });
    flusher.enqueue(lost);
    expect(commits).toHaveLength(1);
    await expect(flusher.flush(lost, "command")).rejects.toMatchObject({ code: "table_not_found" });
    expect(commits).toHaveLength(2);
    expect(clock.timers).toBe(1);
  });

  it("a compaction that fails is a failure of its table", async () => {
    const t = await table("t");
    buffers.onCompact = () => Promise.reject(new Error("Out of Memory Error: no"));
    buffers.append(t, [1, "x"]);
    await expect(flusher.flush(t, "age")).rejects.toThrow(/Out of Memory/);
    expect(observer.failures).toEqual(["t:age"]);
    buffers.onCompact = () => {};
    await flusher.flush(t, "command");
    expect(await ids("t")).toEqual([1]);
  });

  it("segments that cannot be removed are in the lake once and are removed later", async () => {
    const t = await table("t");
    buffers.append(t, [1, "x"]);
    buffers.onRemove = () => {
      throw new Error("EIO");
    };
    await flusher.flush(t, "command");
    expect(buffers.sealed(t)).toHaveLength(1);
    buffers.onRemove = () => {};
    clock.advance(1_000);
    await settled(() => expect(buffers.sealed(t)).toEqual([]));
    expect(observer.records).toHaveLength(1);
    expect(await ids("t")).toEqual([1]);
  });

  it("a removal that was only half done does not keep later rows from the lake", async () => {
    const t = await table("t");
    buffers.append(t, [1, "x"]);
    buffers.onRemove = ([first]) => {
      rmSync(first?.path ?? "");
      throw new Error("EIO");
    };
    await flusher.flush(t, "command");
    buffers.onRemove = () => {};
    buffers.append(t, [2, "y"]);
    await flusher.flush(t, "command");
    expect(buffers.sealed(t)).toEqual([]);
    expect(await ids("t")).toEqual([1, 2]);
  });

  it("a cleared buffer ends the waits for its rows", async () => {
    const t = await table("t");
    const gate = new Gate();
    fixture.beforeCommit = () => gate.opened;
    buffers.append(t, [1, "x"]);
    const flushed = flusher.flush(t, "command");
    await settled(() => expect(commits).toHaveLength(1));
    buffers.append(t, [2, "y"]);
    const second = flusher.flush(t, "command");
    await settled(() => expect(buffers.sealed(t)).toHaveLength(2));
    await buffers.clearBuffer(t);
    gate.open();
    await Promise.allSettled([flushed, second]);
    await flusher.flush(t, "command");
    expect(buffers.sealed(t)).toEqual([]);
  });

  it("recover removes what the watermark has passed and flushes the rest, each row once", async () => {
    const t = await table("t");
    buffers.append(t, [1, "a"], [2, "b"]);
    buffers.onRemove = () => {
      throw new Error("killed before removal");
    };
    await flusher.flush(t, "command");
    buffers.onRemove = () => {};
    buffers.append(t, [3, "c"]);
    await buffers.seal(t, "recovery");
    const found = buffers.sealed(t);
    expect(found).toHaveLength(2);
    const restarted = fixture.newFlusher();
    expect(await restarted.recover(found)).toEqual({ released: 1, replayed: 1 });
    await restarted.flush(t, "command");
    expect(observer.recoveries).toEqual({ released: 1, replayed: 1 });
    expect(await ids("t")).toEqual([1, 2, 3]);
    expect(await restarted.recover([])).toEqual({ released: 0, replayed: 0 });
    await restarted[Symbol.asyncDispose]();
  });

  it("drain flushes everything, or gives up after its time and leaves the rest in segments", async () => {
    const t = await table("t");
    buffers.append(t, [1, "x"]);
    expect(await flusher.drain(30_000)).toBe(true);
    expect(await ids("t")).toEqual([1]);
    expect(clock.timers).toBe(0);

    const gate = new Gate();
    fixture.beforeCommit = () => gate.opened;
    buffers.append(t, [2, "y"]);
    const drained = flusher.drain(5_000);
    await settled(() => expect(commits).toHaveLength(2));
    clock.advance(5_000);
    expect(await drained).toBe(false);
    expect(buffers.sealed(t)).toHaveLength(1);
    gate.open();

    const lost = await orphan("lost");
    buffers.append(lost, [3, "z"]);
    expect(await flusher.drain(5_000)).toBe(false);
    expect(buffers.sealed(lost)).toHaveLength(1);
  });

  it("disposal ends waits with shutting_down and finishes the commit under way", async () => {
    const t = await table("t");
    const gate = new Gate();
    fixture.beforeCommit = () => gate.opened;
    buffers.append(t, [1, "x"]);
    const flushed = flusher.flush(t, "command");
    flushed.catch(() => {});
    await settled(() => expect(commits).toHaveLength(1));
    const disposed = flusher[Symbol.asyncDispose]();
    await expect(flushed).rejects.toMatchObject({ code: "shutting_down" });
    gate.open();
    await disposed;
    expect(await ids("t")).toEqual([1]);
    await expect(flusher.flush(t, "command")).rejects.toMatchObject({ code: "shutting_down" });
  });

  it("keeps the last 200 records", async () => {
    const lost = await orphan("lost");
    buffers.append(lost, [1, "x"]);
    const refuse = () => Promise.reject(new Error("refused"));
    buffers.onCompact = refuse;
    for (let i = 0; i < 205; i++) await flusher.flush(lost, "command").catch(() => {});
    expect(flusher.recent).toHaveLength(200);
  });
});
