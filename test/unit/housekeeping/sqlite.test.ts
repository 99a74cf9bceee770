import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Housekeeper, type TaskResult } from "../../../src/housekeeping/housekeeper.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { column, LakeFixture, query, silent, target } from "../lake/lake-fixture.ts";

const COLUMNS = [column("id", "BIGINT"), column("v", "VARCHAR")];
const FLUSHES = 14;
const KEYS = 40;

let fixture: LakeFixture;
let lake: Lake;

beforeEach(async () => {
  fixture = await LakeFixture.make();
  lake = await fixture.open({ catalog: `sqlite:${join(fixture.folder, "catalog.sqlite")}` });
});

afterEach(async () => {
  await lake[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

it("SQLite's catalog takes merges, rewrites, flushes and a session's writes at once: each row is there once", {
  timeout: 300_000,
}, async () => {
  for (const [name, primaryKey] of [
    ["plain", []],
    ["keyed", ["id"]],
  ] as const) {
    await lake.createTable({ target: target(name), columns: COLUMNS, primaryKey });
  }
  await lake.createTable({ target: target("direct"), columns: [column("n", "BIGINT")], primaryKey: [] });
  const ended: Array<readonly [string, TaskResult]> = [];
  const housekeeper = new Housekeeper({
    lake,
    // Unlike a server's: flushes and tasks of one table are to meet.
    isFlushing: () => false,
    policy: { mergeFiles: 2, rewriteFlushes: 2, rewriteDeleteRatio: 0.01, expireSeconds: 0, cleanSeconds: 0 },
    intervalMs: 1000,
    lakeIntervalMs: 3_600_000,
    concurrency: 2,
    observer: { ended: (kind, result) => ended.push([kind, result]) },
    clock: { nowMs: () => 0, after: () => () => {} },
    log: silent,
  });
  const expected = new Map<number, string>();
  let isWriting = true;
  let direct = 0;

  const write = async () => {
    for (let flush = 0; flush < FLUSHES; flush++) {
      const ids = Array.from({ length: 10 }, (_, i) => (flush * 7 + i) % KEYS);
      for (const id of ids) expected.set(id, `${flush}`);
      const rows = (op: string) => `VALUES ${ids.map((id) => `(${id}, '${flush}'${op})`).join(", ")}`;
      const firstSeq = flush * ids.length + 1;
      const plain = { target: target("plain"), columns: COLUMNS, firstSeq, select: rows("") };
      const keyed = { target: target("keyed"), columns: COLUMNS, primaryKey: ["id"], firstSeq, select: rows(", 1") };
      const parts = [
        await fixture.part(await fixture.segment(plain)),
        await fixture.part(await fixture.segment(keyed)),
      ];
      expect((await lake.commitFlush(parts)).failures).toEqual([]);
    }
    isWriting = false;
  };
  const writeDirect = async () => {
    while (isWriting) {
      using connection = await lake.connect();
      await lake.commit("direct", () => connection.run(`INSERT INTO direct VALUES (${direct})`));
      direct++;
    }
  };
  const keep = async () => {
    while (isWriting) await housekeeper.round();
    await housekeeper.round();
  };
  await Promise.all([write(), writeDirect(), keep()]);
  await housekeeper[Symbol.asyncDispose]();

  expect(await query(lake, "SELECT id, v FROM keyed ORDER BY id")).toEqual(
    [...expected].sort(([one], [other]) => one - other).map(([id, v]) => ({ id, v })),
  );
  const counts =
    "SELECT (SELECT count(*) FROM plain)::INT AS plain, (SELECT count(DISTINCT n) FROM direct)::INT AS direct";
  expect(await query(lake, counts)).toEqual([{ plain: FLUSHES * 10, direct }]);
  expect(ended.filter(([, result]) => result === "failed")).toEqual([]);
  expect(ended).toContainEqual(["merge", "done"]);
  expect(ended).toContainEqual(["rewrite", "done"]);
});
