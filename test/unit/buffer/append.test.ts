import { Bool, Float64, Int32, Int64, Table, Utf8, vectorFromArray } from "apache-arrow";
import { describe, expect, test } from "vitest";
import type { SealReason } from "../../../src/buffer/types.ts";
import { COLUMNS, EVENTS, eventsOf, KEYED } from "./events.ts";
import { open } from "./opened.ts";
import { batchOf, column, rowsOf, shapeOf, type TestStore, until, wireOf } from "./support.ts";

const table = eventsOf;

async function sealAll(store: TestStore, shape = EVENTS, reason: SealReason = "command") {
  await store.store.seal(shape.target, reason);
  return store.store.sealed(shape.target);
}

describe("appending", () => {
  test("batches of one stream keep their order, and their acknowledgements count seqs", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 41);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    const acks = await Promise.all([[1, 2], [3], [4, 5, 6]].map((ids) => stream.append(batchOf(table(ids)), {})));
    expect(acks).toEqual([
      { rows: 2, seq: 43, duplicate: false },
      { rows: 1, seq: 44, duplicate: false },
      { rows: 3, seq: 47, duplicate: false },
    ]);
    const sealed = await sealAll(t);
    expect(sealed).toMatchObject([
      {
        firstSeq: 42,
        lastSeq: 47,
        rows: 6,
        hasNonInserts: false,
        reason: "command",
        recovered: false,
        columns: COLUMNS,
      },
    ]);
    expect(await rowsOf(sealed, "id::INTEGER AS id, name")).toEqual(
      [1, 2, 3, 4, 5, 6].map((id) => ({ seq: 41 + id, id, name: `name ${id}` })),
    );
    expect(t.heard).toEqual(sealed);
  });

  test("many streams at once: every acknowledged row is there once, each stream's in its order", async () => {
    const t = await open({ workers: 2, bufferMaxRows: 500 });
    await t.store.ensureBuffer(EVENTS, 0);
    const send = async (writer: number) => {
      const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, `s${writer}`);
      const batches = Array.from({ length: 40 }, (_, batch) =>
        table(Array.from({ length: 25 }, (__, row) => writer * 10_000 + batch * 25 + row)),
      );
      const acks = await Promise.all(batches.map((batch) => stream.append(batchOf(batch), {})));
      await stream.close();
      return acks;
    };
    const acks = (await Promise.all([0, 1, 2, 3].map(send))).flat();
    expect(new Set(acks.map((ack) => ack?.seq)).size).toBe(160);
    const sealed = await sealAll(t);
    expect(sealed.length).toBeGreaterThan(2);
    for (const [index, segment] of sealed.entries()) {
      expect(segment.firstSeq).toBe((sealed[index - 1]?.lastSeq ?? 0) + 1);
      // One group may pass the limit, by less than what four streams have under way.
      expect(segment.rows).toBeGreaterThanOrEqual(index === sealed.length - 1 ? 1 : 500);
    }
    expect(sealed.slice(0, -1).map((segment) => segment.reason)).toEqual(sealed.slice(0, -1).map(() => "rows"));
    const rows = await rowsOf(sealed, "id::INTEGER AS id");
    expect(rows.map((row) => row["seq"])).toEqual(Array.from({ length: 4000 }, (_, index) => index + 1));
    for (const writer of [0, 1, 2, 3]) {
      const own = rows.map((row) => Number(row["id"])).filter((id) => Math.floor(id / 10_000) === writer);
      expect(own).toEqual(Array.from({ length: 1000 }, (_, index) => writer * 10_000 + index));
    }
  });

  test("rotates by bytes, and tells main without being asked", async () => {
    const t = await open({ bufferMaxBytes: 8_000 });
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    for (let batch = 0; batch < 8; batch += 1) {
      await stream.append(batchOf(table(Array.from({ length: 200 }, (_, row) => batch * 200 + row))), {});
    }
    await until(() => t.heard.length >= 2);
    expect(t.heard.every((segment) => segment.reason === "bytes" && segment.bytes >= 8_000)).toBe(true);
    const [view] = t.store.views();
    expect(view).toMatchObject({ lastSeq: 1600 });
    expect((view?.openRows ?? 0) + (view?.sealedRows ?? 0)).toBe(1600);
  });

  test("a batch that breaks a rule is refused alone; its neighbours of the same group are stored", async () => {
    const strict = shapeOf("strict", [column("id", "BIGINT", false), column("name", "VARCHAR", false)], ["id"]);
    const t = await open();
    await t.store.ensureBuffer(strict, 0);
    const stream = await t.store.appendToBuffer(strict.target, wireOf(table([1])).schema, "s");
    const sent = [
      stream.append(batchOf(table([1])), {}),
      stream.append(batchOf(table([2, null])), {}),
      stream.append(batchOf(table([3], [null])), {}),
      stream.append({ header: new Uint8Array([1, 2, 3]), body: new Uint8Array(0) }, {}),
      stream.append(batchOf(table([4], [null])), { op: "delete" }),
      stream.append(batchOf(table([5])), {}),
    ];
    const results = await Promise.allSettled(sent);
    expect(results.map((result) => result.status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    await expect(sent[1]).rejects.toMatchObject({
      code: "constraint_violated",
      message: expect.stringContaining('"id"'),
    });
    await expect(sent[2]).rejects.toMatchObject({
      code: "constraint_violated",
      message: expect.stringContaining('"name"'),
    });
    await expect(sent[3]).rejects.toMatchObject({ code: "request_invalid" });
    const sealed = await sealAll(t, strict);
    expect(await rowsOf(sealed, "id::INTEGER AS id, _eider_op AS op")).toEqual([
      { seq: 1, id: 1, op: 1 },
      { seq: 2, id: 4, op: 2 },
      { seq: 3, id: 5, op: 1 },
    ]);
  });

  test("a value that only DuckDB's CAST refuses spoils its own batch and no other of the group", async () => {
    const shape = shapeOf("documents", [column("id", "INTEGER"), column("doc", "JSON")]);
    const t = await open();
    await t.store.ensureBuffer(shape, 0);
    const docs = (id: number, doc: string) =>
      new Table({ id: vectorFromArray([id], new Int32()), doc: vectorFromArray([doc], new Utf8()) });
    const stream = await t.store.appendToBuffer(shape.target, wireOf(docs(1, "{}")).schema, "s");
    const sent = Array.from({ length: 9 }, (_, id) =>
      stream.append(batchOf(docs(id, id === 4 ? "{broken" : `{"n":${id}}`)), {}),
    );
    const results = await Promise.allSettled(sent);
    expect(results.flatMap((result, id) => (result.status === "rejected" ? [id] : []))).toEqual([4]);
    await expect(sent[4]).rejects.toMatchObject({ code: "schema_mismatch", message: expect.stringContaining("JSON") });
    expect(await rowsOf(await sealAll(t, shape), "id, (doc->'n')::INTEGER AS n")).toEqual(
      [0, 1, 2, 3, 5, 6, 7, 8].map((id, index) => ({ seq: index + 1, id, n: id })),
    );
  });

  test("casts, missing columns and names in another case", async () => {
    const shape = shapeOf("casts", [
      column("Id", "BIGINT"),
      column("extra", "VARCHAR"),
      column("amount", "DECIMAL(18,2)"),
    ]);
    const t = await open();
    await t.store.ensureBuffer(shape, 0);
    const batch = new Table({
      amount: vectorFromArray([1, 2, null], new Int32()),
      ID: vectorFromArray([7, 8, 9], new Int32()),
    });
    const stream = await t.store.appendToBuffer(shape.target, wireOf(batch).schema, "s");
    const same = await t.store.appendToBuffer(shape.target, wireOf(table([1])).schema, "s").catch((error) => error);
    expect(same).toMatchObject({ code: "schema_mismatch", message: expect.stringContaining('no column "name"') });
    expect(await stream.append(batchOf(batch), {})).toMatchObject({ rows: 3, seq: 3 });
    expect(await rowsOf(await sealAll(t, shape), '"Id"::INTEGER AS id, extra, amount::VARCHAR AS amount')).toEqual([
      { seq: 1, id: 7, extra: null, amount: "1.00" },
      { seq: 2, id: 8, extra: null, amount: "2.00" },
      { seq: 3, id: 9, extra: null, amount: null },
    ]);
  });

  test("a type that does not fit is refused at the schema, naming the column and both types", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    const wrong = new Table({ id: vectorFromArray([1.5], new Float64()), name: vectorFromArray([true], new Bool()) });
    await expect(t.store.appendToBuffer(EVENTS.target, wireOf(wrong).schema, "s")).rejects.toMatchObject({
      code: "schema_mismatch",
      message: expect.stringMatching(/"id" is DOUBLE .* BIGINT/),
    });
  });

  test("ops: upsert by default where there is a key, refused where there is none; deletes need the key alone", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    await t.store.ensureBuffer(KEYED, 0);
    const plain = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    await expect(plain.append(batchOf(table([1])), { op: "delete" })).rejects.toMatchObject({
      code: "primary_key_missing",
      message: expect.stringContaining("eider_set_primary_key"),
    });
    const keys = new Table({ id: vectorFromArray([1n, 2n], new Int64()) });
    const deletes = await t.store.appendToBuffer(KEYED.target, wireOf(keys).schema, "s");
    await deletes.append(batchOf(keys), { op: "delete" });
    const names = new Table({ name: vectorFromArray(["x"], new Utf8()) });
    const nameless = await t.store.appendToBuffer(KEYED.target, wireOf(names).schema, "s");
    await expect(nameless.append(batchOf(names), {})).rejects.toMatchObject({ code: "constraint_violated" });
    const rows = await t.store.appendToBuffer(KEYED.target, wireOf(table([1])).schema, "s");
    await rows.append(batchOf(table([3])), { op: "insert" });
    await rows.append(batchOf(table([4])), {});
    const sealed = await sealAll(t, KEYED);
    expect(sealed).toMatchObject([{ hasNonInserts: true, primaryKey: ["id"] }]);
    expect((await rowsOf(sealed, "_eider_op AS op")).map((row) => row["op"])).toEqual([2, 2, 0, 1]);
  });

  test("a keyed segment of inserts alone says so", async () => {
    const t = await open();
    await t.store.ensureBuffer(KEYED, 0);
    const stream = await t.store.appendToBuffer(KEYED.target, wireOf(table([1])).schema, "s");
    await stream.append(batchOf(table([1, 2])), { op: "insert" });
    expect(await sealAll(t, KEYED)).toMatchObject([{ hasNonInserts: false }]);
  });

  test("a changed shape seals the open segment; a stream that was open goes on where it still fits", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    await stream.append(batchOf(table([1])), {});
    const wider = shapeOf("events", [...COLUMNS, column("extra", "INTEGER")]);
    await t.store.ensureBuffer(wider, 0);
    await stream.append(batchOf(table([2])), {});
    await t.store.ensureBuffer(shapeOf("events", [column("id", "BIGINT")]), 0);
    await expect(stream.append(batchOf(table([3])), {})).rejects.toMatchObject({ code: "schema_mismatch" });
    const sealed = await sealAll(t);
    expect(sealed.map((segment) => [segment.reason, segment.columns.length, segment.rows])).toEqual([
      ["schema", 2, 1],
      ["schema", 3, 1],
    ]);
    expect(sealed.map((segment) => segment.firstSeq)).toEqual([1, 2]);
  });

  test("an empty batch is acknowledged, and an empty buffer seals to nothing", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 9);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    expect(await stream.append(batchOf(table([])), {})).toEqual({ rows: 0, seq: 9, duplicate: false });
    expect(await t.store.seal(EVENTS.target, "age")).toBeUndefined();
    expect(await t.store.seal({ schema: "main", table: "unknown" }, "age")).toBeUndefined();
  });

  test("a session's rows are known until they are removed, and so are the numbers of the view", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    const one = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "one");
    const two = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "two");
    await one.append(batchOf(table([1])), {});
    await t.store.seal(EVENTS.target, "command");
    await two.append(batchOf(table([2])), {});
    expect(["one", "two", "three"].map((session) => t.store.hasRowsOf(EVENTS.target, session))).toEqual([
      true,
      true,
      false,
    ]);
    expect(t.store.views()).toMatchObject([{ openRows: 1, sealedRows: 1, sealedSegments: 1, lastSeq: 2 }]);
    await t.store.remove(t.store.sealed(EVENTS.target), undefined);
    expect(["one", "two"].map((session) => t.store.hasRowsOf(EVENTS.target, session))).toEqual([false, true]);
    expect(t.store.views()).toMatchObject([{ openRows: 1, sealedRows: 0, sealedSegments: 0 }]);
    expect((await t.store.usage()).memoryBytes).toBeGreaterThan(0);
  });

  test("clearing drops all, refuses open streams, and never gives a seq twice", async () => {
    const t = await open();
    await t.store.ensureBuffer(EVENTS, 0);
    const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    await stream.append(batchOf(table([1])), { token: "a" });
    await t.store.seal(EVENTS.target, "command");
    await stream.append(batchOf(table([2])), {});
    const staged = await t.store.stage(EVENTS.target, EVENTS, wireOf(table([1])).schema, "s");
    await staged.write(batchOf(table([2])));
    await t.store.clearBuffer(EVENTS.target);
    await expect(staged.publish({})).rejects.toMatchObject({ code: "table_not_found" });
    expect(t.store.hasBuffer(EVENTS.target)).toBe(false);
    expect(t.store.views()).toEqual([]);
    await expect(stream.append(batchOf(table([3])), {})).rejects.toMatchObject({ code: "table_not_found" });
    await t.store.ensureBuffer(EVENTS, 0);
    const again = await t.store.appendToBuffer(EVENTS.target, wireOf(table([1])).schema, "s");
    expect(await again.append(batchOf(table([4])), { token: "a" })).toEqual({ rows: 1, seq: 3, duplicate: false });
    expect(await rowsOf(await sealAll(t), "id::INTEGER AS id")).toEqual([{ seq: 3, id: 4 }]);
  });
});
