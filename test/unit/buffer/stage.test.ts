import { cp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Float64, Int32, Table, Utf8, vectorFromArray } from "apache-arrow";
import { describe, expect, test } from "vitest";
import { must } from "../../../src/base/assert.ts";
import type { SealedSegment, StageStream } from "../../../src/buffer/types.ts";
import { COLUMNS, EVENTS, eventsOf, KEYED } from "./events.ts";
import { closeAfterTest, open } from "./opened.ts";
import {
  batchOf,
  column,
  openStore,
  querySegments,
  rowsOf,
  shapeOf,
  type TestStore,
  tempDir,
  wireOf,
} from "./support.ts";

const SCHEMA = () => wireOf(eventsOf([1])).schema;
/** Beyond it a staged stream goes to a file. */
const SMALL = { stageMemoryBytes: 2_000 };
/** A slice of 100 rows or so becomes a Parquet file, unless the table has a key. */
const IN_PARQUET = { stageMemoryBytes: 500, lakeTakesFiles: true };

async function writeIds(stage: StageStream, first: number, count: number, perBatch = 50): Promise<void> {
  for (let at = first; at < first + count; at += perBatch) {
    const ids = Array.from({ length: Math.min(perBatch, first + count - at) }, (_, index) => at + index);
    await stage.write(batchOf(eventsOf(ids)));
  }
}

async function databaseFiles(t: TestStore): Promise<string[]> {
  const found = await readdir(t.dir, { recursive: true });
  return found.filter((name) => /seg-.*\.(duckdb|wal|parquet)$/.test(name));
}

describe("staged streams", () => {
  for (const [name, options] of [
    ["in memory", {}],
    ["in a file", SMALL],
    ["in Parquet files", IN_PARQUET],
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

  test("Parquet files hold the rows in order, and end with their segment", async () => {
    const t = await open(IN_PARQUET);
    const sealed = await publishedIn(t, 300);
    expect(sealed.parquet.length).toBeGreaterThan(1);
    expect(sealed.parquet.reduce((sum, { rows }) => sum + rows, 0)).toBe(300);
    expect(sealed.parquet.every(({ hasStatistics }) => hasStatistics)).toBe(true);
    expect(sealed.fileBytes).toBeGreaterThan(sealed.parquet.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(t.store.views()).toMatchObject([{ sealedRows: 300, diskBytes: sealed.fileBytes }]);
    expect(await querySegments([sealed], "SELECT count(*)::INTEGER AS n FROM s0.main.rows")).toEqual([{ n: 0 }]);
    const second = closeAfterTest(await t.reopen());
    expect(second.store.recovered).toMatchObject([{ id: sealed.id, rows: 300, parquet: sealed.parquet }]);
    const rows = await rowsOf(second.store.recovered, "id::INTEGER AS id");
    expect(rows).toEqual(Array.from({ length: 300 }, (_, id) => ({ seq: id + 1, id })));
    await second.store.remove(second.store.recovered, undefined);
    expect(await databaseFiles(second)).toEqual([]);
  });

  test("Parquet files in a folder that is named like a partition keep their values", async () => {
    const folder = await tempDir();
    try {
      await using t = await openStore({ ...IN_PARQUET, bufferDir: join(folder, "id=7") });
      const sealed = await publishedIn(t, 300);
      expect(sealed.parquet.length).toBeGreaterThan(0);
      const rows = await rowsOf([sealed], "id::INTEGER AS id");
      expect(rows.map((row) => row["id"])).toEqual(Array.from({ length: 300 }, (_, id) => id));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("a stream that is large, but not large enough for a file of its own, becomes rows", async () => {
    const t = await open({ ...IN_PARQUET, stageMemoryBytes: 3_000 });
    const sealed = await publishedIn(t, 300);
    expect(sealed.parquet).toEqual([]);
    expect(await rowsOf([sealed], "id::INTEGER AS id")).toHaveLength(300);
  });

  test.each([
    ["so wide a table", 120, { flushMemoryMb: 64 }],
    ["slices of so many bytes", 1, { flushMemoryMb: 16, stageMemoryBytes: 1024 * 1024 }],
  ])("%s that two slices do not fit into the memory becomes rows", async (_, width, options) => {
    const t = await open({ ...IN_PARQUET, ...options });
    const names = Array.from({ length: width }, (_each, i) => `c${i}`);
    const shape = shapeOf(
      "wide",
      names.map((name) => column(name, "VARCHAR")),
    );
    const text = "x".repeat(50_000 / width);
    const rows = new Table(
      Object.fromEntries(names.map((name) => [name, vectorFromArray(new Array(40).fill(text), new Utf8())])),
    );
    await t.store.ensureBuffer(shape, 0);
    const stage = await t.store.stage(shape.target, shape, wireOf(rows).schema, "s");
    for (let i = 0; i < 4; i += 1) await stage.write(batchOf(rows));
    await stage.publish({});
    await t.store.seal(shape.target, "command");
    expect(t.store.sealed(shape.target)).toMatchObject([{ rows: 160, parquet: [] }]);
  });

  test("of more streams than may hold slices the others become rows, and their turn comes again", async () => {
    const t = await open({ ...IN_PARQUET, maxParallelFlushes: 1 });
    await t.store.ensureBuffer(EVENTS, 0);
    const stages = await Promise.all([0, 1].map(() => t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s")));
    for (const [i, stage] of stages.entries()) await writeIds(stage, 300 * i, 300);
    for (const stage of stages) await stage.publish({});
    const third = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
    await writeIds(third, 600, 300);
    await third.publish({});
    await t.store.seal(EVENTS.target, "command");
    const sealed = t.store.sealed(EVENTS.target);
    // Which of the two was the first to fill a slice is not known.
    const [first, second, last] = sealed.map(({ parquet }) => parquet.length > 0);
    expect([first !== second, last]).toEqual([true, true]);
    const rows = await rowsOf(sealed, "id::INTEGER AS id");
    expect(rows.map((row) => row["id"])).toEqual(Array.from({ length: 900 }, (_, id) => id));
  });

  test("values without statistics are told, one file at a time", async () => {
    const t = await open(IN_PARQUET);
    const shape = shapeOf("numbers", [column("v", "DOUBLE"), column("t", "VARCHAR")]);
    await t.store.ensureBuffer(shape, 0);
    const batch = (value: number, text: string) =>
      new Table({
        v: vectorFromArray(new Array<number>(200).fill(1).with(7, value), new Float64()),
        t: vectorFromArray(new Array<string | null>(200).fill("text").with(7, text), new Utf8()),
      });
    const values = [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -0];
    const texts = ["x", "x", "x", "x", "a\u0000b", "x".repeat(500)];
    for (const [i, value] of values.entries()) {
      const stage = await t.store.stage(shape.target, shape, wireOf(batch(1, "")).schema, "s");
      await stage.write(batchOf(batch(value, texts[i] ?? "")));
      await stage.publish({});
    }
    await t.store.seal(shape.target, "command");
    const known = t.store.sealed(shape.target).map(({ parquet }) => parquet.map((file) => file.hasStatistics));
    expect(known).toEqual([[true], [false], [false], [false], [false], [true]]);
  });

  test("a column that the table has NOT NULL meanwhile is looked through", async () => {
    const t = await open(IN_PARQUET);
    const stage = await t.store.stage(EVENTS.target, undefined, SCHEMA(), "s");
    await writeIds(stage, 0, 300);
    await stage.write(batchOf(eventsOf([1], [null])));
    const strict = COLUMNS.map((each) => ({ ...each, nullable: false }));
    await t.store.ensureBuffer({ ...EVENTS, columns: strict }, 0);
    await expect(stage.publish({ op: "insert" })).rejects.toMatchObject({
      code: "constraint_violated",
      message: expect.stringContaining('"name"'),
    });
    await stage.discard();
    expect(await databaseFiles(t)).toEqual([]);
  });

  test("files of segments that were never published, or are removed, go at a start", async () => {
    const t = await open(IN_PARQUET, true);
    const sealed = await publishedIn(t, 300);
    const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
    await writeIds(stage, 0, 300);
    const copy = await tempDir();
    await cp(t.dir, copy, { recursive: true });
    const path = sealed.path.replace(t.dir, copy);
    // As a kill in the middle of removing it leaves it.
    await rm(`${path}.used`);
    await rm(path);
    const second = closeAfterTest(await openStore({ ...IN_PARQUET, bufferDir: copy }));
    expect(second.store.recovered).toEqual([]);
    expect(second.store.quarantined).toEqual([]);
    expect(await databaseFiles(second)).toEqual([]);
  });

  test.each([
    ["is missing", (path: string) => rm(path)],
    ["has 40 bytes", (path: string) => truncate(path, 40)],
  ])("a segment of which a Parquet file %s is set aside with the others", async (reason, damage) => {
    const t = await open(IN_PARQUET);
    const sealed = await publishedIn(t, 300);
    await damage(join(`${sealed.path}.parquet`, "0.parquet"));
    const second = closeAfterTest(await t.reopen());
    expect(second.store.recovered).toEqual([]);
    const [report] = second.store.quarantined;
    expect(report).toMatchObject({ path: sealed.path, rowsKept: 0, reason: expect.stringContaining(reason) });
    expect(await readdir(join(report?.movedTo ?? "", `${basename(sealed.path)}.parquet`))).toContain("1.parquet");
    expect((await databaseFiles(second)).filter((name) => !name.startsWith("quarantine"))).toEqual([]);
  });

  test("a sealed segment of which a Parquet file can no longer be read is set aside", async () => {
    const t = await open(IN_PARQUET);
    const sealed = await publishedIn(t, 300);
    await writeFile(join(`${sealed.path}.parquet`, "0.parquet"), new Uint8Array(sealed.parquet[0]?.bytes ?? 0));
    expect(await t.store.setDamagedAside([sealed], false)).toBe(300);
    expect(t.store.sealed(EVENTS.target)).toEqual([]);
  });
});

/** A stream of so many events, published and sealed. */
async function publishedIn(t: TestStore, count: number): Promise<SealedSegment> {
  await t.store.ensureBuffer(EVENTS, 0);
  const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
  await writeIds(stage, 0, count);
  await stage.publish({ token: "whole" });
  await t.store.seal(EVENTS.target, "command");
  return must(t.store.sealed(EVENTS.target)[0], "it is sealed");
}
