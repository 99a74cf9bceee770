import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Failpoint, Failpoints } from "../../../src/base/failpoints.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import type { FlushPart } from "../../../src/lake/types.ts";
import { commitVerdict } from "../../../src/lake/verdict.ts";
import { column, interceptCommit, LakeFixture, LOST_ANSWER, loadExtension, query, target } from "./lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];

/** Failpoints that run the test's own code. */
class Hooks extends Failpoints {
  readonly #hooks: Partial<Record<Failpoint, () => void>>;

  constructor(hooks: Partial<Record<Failpoint, () => void>>) {
    super();
    this.#hooks = hooks;
  }

  override hit(name: Failpoint): void {
    this.#hooks[name]?.();
  }
}

describe("commits in doubt", () => {
  let fixture: LakeFixture;
  let lake: Lake;

  beforeEach(async () => {
    fixture = await LakeFixture.make();
    lake = await fixture.open();
    await lake.createTable({ target: target("t"), columns: COLUMNS, primaryKey: ["id"] });
    await lake.commitFlush([await keyed(1, "(1, 'old', 1), (2, 'two', 1)")]);
  });

  afterEach(async () => {
    await lake[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
  });

  const keyed = async (firstSeq: number, values: string): Promise<FlushPart> =>
    fixture.part(
      await fixture.segment({
        target: target("t"),
        columns: COLUMNS,
        primaryKey: ["id"],
        firstSeq,
        select: `VALUES ${values}`,
      }),
    );

  const reopen = async (failpoints = new Failpoints()) => {
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({ failpoints });
  };

  const files = () =>
    readdirSync(fixture.dataPath, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".parquet"))
      .map((name) => join(fixture.dataPath, name));

  /** What DuckLake does to the files of a commit that it believes to have failed. */
  const removeNewFiles = (before: readonly string[]) => {
    const fresh = files().filter((path) => !before.includes(path));
    for (const path of fresh) rmSync(path);
    return fresh;
  };

  const contents = async () =>
    (await query(lake, "SELECT id, v FROM t ORDER BY ALL")).map((row) => [row["id"], row["v"]]);
  const guards = () => readdirSync(fixture.guardDir);

  it("a lost answer to a COMMIT that took effect is a success, and deleted files are restored", async () => {
    const before = files();
    let removed: string[] = [];
    interceptCommit(lake, async (commit) => {
      await commit();
      removed = removeNewFiles(before);
      throw new Error(LOST_ANSWER);
    });
    const result = await lake.commitFlush([await keyed(3, "(1, 'new', 1), (3, 'three', 1)")]);
    expect(result).toMatchObject({ failures: [], wasInDoubt: true, conflicts: [] });
    expect(result.outcomes).toMatchObject([{ rowsInserted: 2, rowsDeleted: 1, alreadyCommitted: false }]);
    expect(removed).toHaveLength(2);
    expect(removed.filter((path) => !existsSync(path))).toEqual([]);
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
      [3, "three"],
    ]);
    expect(guards()).toEqual([]);
  });

  it("without restoring, the same lost answer makes the table unreadable", async () => {
    const before = files();
    await reopen(new Hooks({ "commit.after_commit": () => removeNewFiles(before) }));
    interceptCommit(lake, async (commit) => {
      for (const name of guards()) rmSync(join(fixture.guardDir, name), { recursive: true });
      return commit();
    });
    await lake.commitFlush([await keyed(3, "(1, 'new', 1)")]);
    await expect(contents()).rejects.toThrow(/Cannot open file|No such file/);
  });

  it("an error right after COMMIT counts as a lost answer", async () => {
    await reopen(new Failpoints({ "commit.after_commit": { action: "error", times: 1 } }));
    const result = await lake.commitFlush([await keyed(3, "(1, 'new', 1)")]);
    expect(result).toMatchObject({ failures: [], wasInDoubt: true, outcomes: [{ rowsInserted: 1 }] });
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
    ]);
  });

  it("a lost answer to a COMMIT that did not take effect makes the flush again, once", async () => {
    interceptCommit(lake, async () => {
      throw new Error(LOST_ANSWER);
    });
    const result = await lake.commitFlush([await keyed(3, "(1, 'new', 1), (3, 'three', 1)")]);
    expect(result).toMatchObject({
      failures: [],
      wasInDoubt: true,
      conflicts: ["rebase"],
      outcomes: [{ rowsInserted: 2 }],
    });
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
      [3, "three"],
    ]);
    expect(guards()).toEqual([]);
  });

  it("a catalog that cannot be asked leaves the flush in doubt; the next attempt settles it", async () => {
    const before = files();
    let recover = () => {};
    interceptCommit(lake, async (commit) => {
      await commit();
      removeNewFiles(before);
      const { database } = lake;
      const connect = database.connect.bind(database);
      recover = () => {
        database.connect = connect;
      };
      database.connect = () => Promise.reject(new Error("connection refused"));
      throw new Error(LOST_ANSWER);
    });
    const part = await keyed(3, "(1, 'new', 1)");
    const doubtful = await lake.commitFlush([part]);
    expect(doubtful).toMatchObject({ outcomes: [], wasInDoubt: true });
    expect(doubtful.failures[0]?.error).toMatchObject({ code: "lake_unavailable" });
    expect(guards()).toHaveLength(1);
    recover();
    const settled = await lake.commitFlush([part]);
    expect(settled).toMatchObject({ failures: [], outcomes: [{ alreadyCommitted: true }] });
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
    ]);
    expect(guards()).toEqual([]);
  });

  it("a durable COMMIT with a failed checkpoint is a success", async () => {
    interceptCommit(lake, async (commit) => {
      await commit();
      throw new Error("Transaction COMMIT succeeded and is durable, but the autocheckpoint failed: disk full");
    });
    const result = await lake.commitFlush([await keyed(3, "(1, 'new', 1)")]);
    expect(result).toMatchObject({ failures: [], wasInDoubt: false });
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
    ]);
  });

  it("a flush that could not be hardened is not done before it is", async () => {
    await reopen(new Failpoints({ "harden.before": { action: "error", times: 1 } }));
    const part = await keyed(3, "(1, 'new', 1)");
    expect((await lake.commitFlush([part])).failures).toHaveLength(1);
    expect(guards()).toHaveLength(1);
    expect(await lake.commitFlush([part])).toMatchObject({ failures: [], outcomes: [{ alreadyCommitted: true }] });
    expect(guards()).toEqual([]);
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
    ]);
  });

  it("opening the lake restores the files of a committed flush that was not hardened", async () => {
    const before = files();
    await reopen(new Failpoints({ "harden.before": { action: "error" } }));
    await lake.commitFlush([await keyed(3, "(1, 'new', 1)")]);
    expect(removeNewFiles(before)).toHaveLength(2);
    await reopen();
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
    ]);
    expect(guards()).toEqual([]);
  });

  it("opening the lake drops the guard of a flush that was never committed, and half-written guards", async () => {
    const kept = await mkdtemp(join(fixture.folder, "kept-"));
    await reopen(
      new Hooks({
        "commit.after_guard": () => {
          cpSync(fixture.guardDir, kept, { recursive: true });
          throw new Error("stop");
        },
      }),
    );
    expect((await lake.commitFlush([await keyed(3, "(1, 'new', 1)")])).failures).toHaveLength(1);
    const before = files();
    await lake[Symbol.asyncDispose]();
    cpSync(kept, fixture.guardDir, { recursive: true });
    cpSync(kept, join(fixture.guardDir, "half"), { recursive: true });
    expect(guards()).toHaveLength(2);
    lake = await fixture.open();
    expect(guards()).toEqual([]);
    expect(files()).toEqual(before);
    expect(await contents()).toEqual([
      [1, "old"],
      [2, "two"],
    ]);
  });

  it.runIf(existsSync("/dev/shm"))(
    "a guard folder on another filesystem gives way to one within the data path",
    async () => {
      const elsewhere = await mkdtemp("/dev/shm/eider-guard-");
      try {
        await lake[Symbol.asyncDispose]();
        let inside: string[] = [];
        const failpoints = new Hooks({
          "commit.after_guard": () => {
            inside = readdirSync(join(fixture.dataPath, ".eider-guard"));
          },
        });
        lake = await fixture.open({ guardDir: elsewhere, failpoints });
        expect((await lake.commitFlush([await keyed(3, "(1, 'new', 1)")])).failures).toEqual([]);
        expect(inside).toHaveLength(1);
        expect(readdirSync(elsewhere)).toEqual([]);
      } finally {
        await rm(elsewhere, { recursive: true });
      }
    },
  );

  it("a dead instance is opened anew, and the next flush succeeds, whatever was open on the old one", async () => {
    const [idle, killer] = [await lake.connect(), await lake.connect()];
    await idle.run("BEGIN; INSERT INTO t VALUES (50, 'never committed')");
    await killer.run("CREATE TABLE poison(t TIME_NS)");
    // DuckLake 1.5.5 dies of this type.
    await expect(killer.run("INSERT INTO poison VALUES ('10:00:00')")).rejects.toThrow(/INTERNAL|FATAL/);
    const part = await keyed(3, "(1, 'new', 1)");
    expect((await lake.commitFlush([part])).failures).toHaveLength(1);
    expect((await lake.commitFlush([part])).failures).toEqual([]);
    expect(await contents()).toEqual([
      [1, "new"],
      [2, "two"],
    ]);
    await expect(idle.run("COMMIT")).rejects.toThrow(/invalidated/);
    idle.close();
    killer.close();
  });

  it("an instance that could not be attached when it was opened anew is opened again", async () => {
    let isAway = false;
    await lake[Symbol.asyncDispose]();
    lake = await fixture.open({
      loadExtension: async (connection, name) => {
        if (isAway) throw new Error("the catalog is away");
        await loadExtension(connection, name);
      },
    });
    await expect(query(lake, "CREATE TABLE p(t TIME_NS); INSERT INTO p VALUES ('10:00:00')")).rejects.toThrow();
    const askAgain = () => query(lake, "SELECT 1").catch((error: unknown) => lake.afterError(error));
    isAway = true;
    for (let n = 0; n < 2; n++) await expect(askAgain()).rejects.toThrow(/the catalog is away/);
    isAway = false;
    await askAgain();
    expect(await contents()).toHaveLength(2);
    expect((await lake.commitFlush([await keyed(3, "(1, 'new', 1)")])).failures).toEqual([]);
  });

  it("afterError opens a dead instance anew once, and leaves a living one alone", async () => {
    const { database } = lake;
    for (const text of ["FATAL Error: of something else", "Parser Error"]) {
      const error = new Error(text);
      expect(await lake.afterError(error)).toBe(error);
    }
    expect(lake.database).toBe(database);
    await expect(query(lake, "CREATE TABLE p(t TIME_NS); INSERT INTO p VALUES ('10:00:00')")).rejects.toThrow();
    const fatal = await query(lake, "SELECT 1").catch((error: unknown) => error);
    const instances = await Promise.all([1, 2].map(() => lake.afterError(fatal).then(() => lake.database)));
    expect(instances[0]).not.toBe(database);
    expect(instances[1]).toBe(instances[0]);
    expect(await contents()).toHaveLength(2);
  });
});

describe("commitVerdict", () => {
  it.each([
    [LOST_ANSWER, "in_doubt"],
    [`Exceeded the maximum retry count of 100: ${LOST_ANSWER}`, "in_doubt"],
    ['Could not remove file "s3://bucket/x": Forbidden', "in_doubt"],
    ["something never seen", "in_doubt"],
    ["Transaction conflict - attempting to insert into table", "retry"],
    ["attempting to insert - but another transaction has altered it", "retry"],
    ["Exceeded the maximum retry count of 10", "retry"],
    ['Failed to execute query "ROLLBACK": no connection', "retry"],
    ["Transaction COMMIT succeeded and is durable, but the autocheckpoint failed", "durable"],
  ])("%s is %s", (text, verdict) => {
    expect(commitVerdict(new Error(text))).toBe(verdict);
  });
});
