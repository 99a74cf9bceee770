import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Int32, Table, vectorFromArray } from "apache-arrow";
import { describe, expect, test } from "vitest";
import type { StageStream } from "../../../src/buffer/types.ts";
import { EVENTS, eventsOf, KEYED } from "./events.ts";
import { closeAfterTest, open } from "./opened.ts";
import { batchOf, column, querySegments, rowsOf, shapeOf, type TestStore, wireOf } from "./support.ts";

const SCHEMA = () => wireOf(eventsOf([1])).schema;
/** Beyond it a staged stream goes to a file. */
const SMALL = { stageMemoryBytes: 2_000 };

async function writeIds(stage: StageStream, first: number, count: number, perBatch = 50): Promise<void> {
  for (let at = first; at < first + count; at += perBatch) {
    const ids = Array.from({ length: Math.min(perBatch, first + count - at) }, (_, index) => at + index);
    await stage.write(batchOf(eventsOf(ids)));
  }
}

async function databaseFiles(t: TestStore): Promise<string[]> {
  const found = await readdir(t.dir, { recursive: true });
  return found.filter((name) => /seg-.*\.duckdb(\.wal)?$/.test(name));
}

describe("staged streams", () => {
  for (const [name, options] of [
    ["in memory", {}],
    ["in a file", SMALL],
  ] as const) {
    test(`${name}: nothing shows before publish, all of it after`, async () => {
      const t = await open(options);
      await t.store.ensureBuffer(EVENTS, 0);
      const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
      await stream.append(batchOf(eventsOf([-1])), {});
      const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "stager");
      await writeIds(stage, 0, 300);
      expect(t.store.views()).toMatchObject([{ openRows: 1, lastSeq: 1 }]);
      expect(await stage.publish({ token: "whole" })).toEqual({ rows: 300, seq: 301, duplicate: false });
      expect(t.store.hasRowsOf(EVENTS.target, "stager")).toBe(true);
      await stream.append(batchOf(eventsOf([-2])), {});
      await stage.discard();
      await t.store.seal(EVENTS.target, "command");
      const rows = await rowsOf(t.store.sealed(EVENTS.target), "id::INTEGER AS id");
      expect(rows.map((row) => row["seq"])).toEqual(Array.from({ length: 302 }, (_, index) => index + 1));
      expect(rows.map((row) => row["id"])).toEqual([-1, ...Array.from({ length: 300 }, (_, index) => index), -2]);
    });

    test(`${name}: a token is acknowledged again and stored once`, async () => {
      const t = await open(options);
      await t.store.ensureBuffer(EVENTS, 0);
      const results = await Promise.all(
        [0, 1].map(async () => {
          const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
          await writeIds(stage, 0, 300);
          return stage.publish({ token: "whole" });
        }),
      );
      expect(results.map((result) => result.duplicate).sort()).toEqual([false, true]);
      expect(results.map((result) => result.seq)).toEqual([300, 300]);
      await t.store.seal(EVENTS.target, "command");
      const second = await t.reopen();
      closeAfterTest(second);
      await second.store.ensureBuffer(EVENTS, 0);
      const stage = await second.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
      await writeIds(stage, 0, 300);
      expect(await stage.publish({ token: "whole" })).toEqual({ rows: 300, seq: 300, duplicate: true });
      expect(await rowsOf(second.store.sealed(EVENTS.target), "id")).toHaveLength(300);
    });

    test(`${name}: discard leaves nothing`, async () => {
      const t = await open(options);
      await t.store.ensureBuffer(EVENTS, 0);
      const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
      await writeIds(stage, 0, 300);
      await stage.discard();
      await stage.discard();
      await expect(stage.publish({})).rejects.toMatchObject({ code: "request_invalid" });
      expect(await t.store.seal(EVENTS.target, "command")).toBeUndefined();
      expect(await databaseFiles(t)).toEqual([]);
    });

    test(`${name}: a bad batch spoils the whole, and nothing is stored`, async () => {
      const t = await open(options);
      await t.store.ensureBuffer(KEYED, 0);
      const stage = await t.store.stage(KEYED.target, KEYED, SCHEMA(), "s");
      await writeIds(stage, 0, 300);
      const attempt = async () => {
        await stage.write(batchOf(eventsOf([null])));
        await writeIds(stage, 300, 50);
        await stage.publish({});
      };
      await expect(attempt()).rejects.toMatchObject({
        code: "constraint_violated",
        message: expect.stringContaining('"id"'),
      });
      await stage.discard();
      expect(await t.store.seal(KEYED.target, "command")).toBeUndefined();
    });

    test(`${name}: toFile gives a closed file of the table's columns, which discard removes`, async () => {
      const t = await open(options);
      const shape = shapeOf("casts", [column("id", "BIGINT"), column("note", "VARCHAR")], ["id"]);
      const ids = (from: number) =>
        new Table({
          ID: vectorFromArray(
            Array.from({ length: 200 }, (_, index) => from + index),
            new Int32(),
          ),
        });
      const stage = await t.store.stage(undefined, shape, wireOf(ids(0)).schema, "s");
      for (let at = 0; at < 1000; at += 200) await stage.write(batchOf(ids(at)));
      const { path, rows } = await stage.toFile();
      expect(rows).toBe(1000);
      expect(path.startsWith(join(t.dir, "staging"))).toBe(true);
      expect(await querySegments([{ path }], "SELECT * FROM s0.main.rows ORDER BY id LIMIT 2")).toEqual([
        { id: 0n, note: null },
        { id: 1n, note: null },
      ]);
      expect(
        await querySegments([{ path }], "SELECT count(*)::INTEGER AS n, sum(id)::INTEGER AS s FROM s0.main.rows"),
      ).toEqual([{ n: 1000, s: 499_500 }]);
      await stage.discard();
      expect(await databaseFiles(t)).toEqual([]);
    });

    test(`${name}: without a shape the columns are the schema's own, and the buffer may be made before publish`, async () => {
      const t = await open(options);
      const stage = await t.store.stage(EVENTS.target, undefined, SCHEMA(), "s");
      await writeIds(stage, 0, 300);
      expect(t.store.hasBuffer(EVENTS.target)).toBe(false);
      await t.store.ensureBuffer(EVENTS, 0);
      expect(await stage.publish({ op: "insert" })).toMatchObject({ rows: 300, seq: 300 });
      await t.store.seal(EVENTS.target, "command");
      expect(await rowsOf(t.store.sealed(EVENTS.target), "id")).toHaveLength(300);
    });

    test(`${name}: an op other than the default`, async () => {
      const t = await open(options);
      await t.store.ensureBuffer(KEYED, 0);
      for (const op of ["insert", "delete", "upsert"] as const) {
        const stage = await t.store.stage(KEYED.target, KEYED, SCHEMA(), "s");
        await writeIds(stage, 0, 300);
        await stage.publish({ op });
        await t.store.seal(KEYED.target, "command");
      }
      const sealed = t.store.sealed(KEYED.target);
      const ops = await Promise.all(
        sealed.map((segment) =>
          querySegments(
            [segment],
            "SELECT DISTINCT _eider_op AS op, count(*)::INTEGER AS n FROM s0.main.rows GROUP BY 1",
          ),
        ),
      );
      expect(ops.flat()).toEqual([0, 2, 1].map((op) => ({ op, n: 300 })));
      expect(sealed.map((segment) => segment.hasNonInserts)).toEqual([false, true, true]);
    });
  }

  test("a schema that does not fit the shape is refused at once", async () => {
    const t = await open();
    const shape = shapeOf("other", [column("id", "DATE")]);
    await expect(t.store.stage(shape.target, shape, SCHEMA(), "s")).rejects.toMatchObject({ code: "schema_mismatch" });
  });

  test("an empty stream publishes nothing, and its token counts", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 5);
    for (const duplicate of [false, true]) {
      const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
      expect(await stage.publish({ token: "none" })).toEqual({ rows: 0, seq: 5, duplicate });
    }
    expect(await t.store.seal(EVENTS.target, "command")).toBeUndefined();
  });

  test("a publish that fails leaves a gap in the seqs and nothing else; appends go on", async () => {
    const t = await open({ ...SMALL, failpoints: { "stage.before_publish": { action: "error", message: "no" } } });
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
    const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
    await writeIds(stage, 0, 300);
    const [published, appended] = await Promise.allSettled([
      stage.publish({ token: "x" }),
      stream.append(batchOf(eventsOf([7])), {}),
    ]);
    expect(published).toMatchObject({ status: "rejected", reason: { code: "internal" } });
    expect(appended).toMatchObject({ status: "fulfilled", value: { rows: 1 } });
    await t.store.seal(EVENTS.target, "command");
    const sealed = t.store.sealed(EVENTS.target);
    expect((await rowsOf(sealed, "id::INTEGER AS id")).map((row) => row["id"])).toEqual([7]);
    expect((await databaseFiles(t)).length).toBe(1);
  });

  test("a staged file whose table has changed since is refused", async () => {
    const t = await open(SMALL);
    await t.store.ensureBuffer(EVENTS, 0);
    const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
    await writeIds(stage, 0, 300);
    await t.store.ensureBuffer({ ...EVENTS, primaryKey: ["id"] }, 0);
    await expect(stage.publish({})).rejects.toMatchObject({
      code: "schema_mismatch",
      message: expect.stringContaining("primary key"),
    });
    await stage.discard();
    expect(await databaseFiles(t)).toEqual([]);
  });
});
