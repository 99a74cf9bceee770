import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Int64, Table, Utf8, vectorFromArray } from "apache-arrow";
import { expect, test } from "vitest";
import type { TableShape } from "../../../src/base/table.ts";
import type { Op } from "../../../src/buffer/types.ts";
import { EVENTS, eventsOf, KEYED } from "./events.ts";
import { open } from "./opened.ts";
import { batchOf, column, shapeOf, winnersOf, wireOf } from "./support.ts";

/** One sealed segment per inner list of batches. */
async function sealedSegments(shape: TableShape, segments: ReadonlyArray<ReadonlyArray<readonly [Table, Op?]>>) {
  const t = await open();
  await t.store.ensureBuffer(shape, 0);
  for (const batches of segments) {
    for (const [table, op] of batches) {
      const stream = await t.store.appendToBuffer(shape.target, wireOf(table).schema, "s");
      await stream.append(batchOf(table), op ? { op } : {});
    }
    await t.store.seal(shape.target, "command");
  }
  return { t, sealed: t.store.sealed(shape.target) };
}

test("the last write of a key wins: within a batch, a segment and across segments, deletes included", async () => {
  const { t, sealed } = await sealedSegments(KEYED, [
    [
      [eventsOf([1, 2, 1], ["a", "b", "c"])],
      [eventsOf([2, 3], ["d", "e"])],
      [new Table({ id: vectorFromArray([3n, 9n], new Int64()) }), "delete"],
    ],
    [[eventsOf([4, 1], ["f", "g"])], [eventsOf([9], ["back"]), "insert"]],
    [[new Table({ id: vectorFromArray([4n], new Int64()) }), "delete"]],
  ]);
  const compaction = await t.store.compact(sealed);
  expect(compaction).toMatchObject({ rowsIn: 11, rowsOut: 5 });
  expect(await winnersOf(sealed, compaction, "id::INTEGER AS id, name, _eider_op AS op")).toEqual([
    { segment: 0, rid: 3n, id: 2, name: "d", op: 1 },
    { segment: 0, rid: 5n, id: 3, name: null, op: 2 },
    { segment: 1, rid: 1n, id: 1, name: "g", op: 1 },
    { segment: 1, rid: 2n, id: 9, name: "back", op: 0 },
    { segment: 2, rid: 0n, id: 4, name: null, op: 2 },
  ]);
  await t.store.remove(sealed, compaction);
  const folder = dirname(sealed[0]?.path ?? "");
  expect((await readdir(folder)).filter((name) => name.includes("duckdb"))).toEqual([]);
});

test("composite and text keys, columns with awkward names", async () => {
  const shape = shapeOf(
    "Awkward name",
    [column("place", "VARCHAR"), column('a "quoted" k0', "BIGINT"), column("_eider_op", "VARCHAR")],
    ["place", 'a "quoted" k0'],
  );
  const rows = (places: readonly string[], ids: readonly bigint[], values: readonly string[]) =>
    new Table({
      place: vectorFromArray(places, new Utf8()),
      'a "quoted" k0': vectorFromArray(ids, new Int64()),
      _eider_op: vectorFromArray(values, new Utf8()),
    });
  const { t, sealed } = await sealedSegments(shape, [
    [[rows(["x", "x", "X"], [1n, 2n, 1n], ["one", "two", "three"])]],
    [[rows(["x", "ä long text beyond inline", "ä long text beyond inline"], [1n, 1n, 1n], ["four", "five", "six"])]],
  ]);
  const compaction = await t.store.compact(sealed);
  expect(compaction).toMatchObject({ rowsIn: 6, rowsOut: 4 });
  expect(
    (await winnersOf(sealed, compaction, "_eider_op AS value, _eider_op_ AS op")).map((row) => row["value"]),
  ).toEqual(["two", "three", "four", "six"]);
});

test("no winners' file where every row wins: no key, or each row with a key of its own", async () => {
  const plain = await sealedSegments(EVENTS, [[[eventsOf([1, 1])]], [[eventsOf([1])]]]);
  expect(await plain.t.store.compact(plain.sealed)).toEqual({ path: undefined, rowsIn: 3, rowsOut: 3 });
  const keyed = await sealedSegments(KEYED, [[[eventsOf([1, 2])]], [[eventsOf([3])]]]);
  expect(await keyed.t.store.compact(keyed.sealed)).toEqual({ path: undefined, rowsIn: 3, rowsOut: 3 });
  const folder = dirname(keyed.sealed[0]?.path ?? "");
  expect((await readdir(folder)).filter((name) => name.startsWith("compact-"))).toEqual([]);
});

test("segments of different keys are not compacted together", async () => {
  const { t } = await sealedSegments(EVENTS, [[[eventsOf([1])]]]);
  await t.store.ensureBuffer({ ...EVENTS, primaryKey: ["id"] }, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
  await stream.append(batchOf(eventsOf([2])), {});
  await t.store.seal(EVENTS.target, "command");
  const sealed = t.store.sealed(EVENTS.target);
  expect(sealed).toHaveLength(2);
  await expect(t.store.compact(sealed)).rejects.toThrow(/different primary keys/);
  expect(await t.store.compact(sealed.slice(1))).toMatchObject({ rowsOut: 1 });
});

test("a failure before and after compaction leaves the segments, and no winners' file", async () => {
  for (const failpoint of ["compact.before", "compact.after"] as const) {
    const t = await open({ failpoints: { [failpoint]: { action: "error", times: 1 } } });
    await t.store.ensureBuffer(KEYED, 0);
    const stream = await t.store.appendToBuffer(KEYED.target, wireOf(eventsOf([1])).schema, "s");
    await stream.append(batchOf(eventsOf([1, 1])), {});
    await t.store.seal(KEYED.target, "command");
    const sealed = t.store.sealed(KEYED.target);
    await expect(t.store.compact(sealed)).rejects.toThrow(failpoint);
    expect((await readdir(dirname(sealed[0]?.path ?? ""))).filter((name) => name.startsWith("compact-"))).toEqual([]);
    const { path } = await t.store.compact(sealed);
    expect(existsSync(path ?? "")).toBe(true);
  }
});
