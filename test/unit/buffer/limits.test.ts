import { Binary, Table, Utf8, vectorFromArray } from "apache-arrow";
import { describe, expect, test } from "vitest";
import { EVENTS, eventsOf } from "./events.ts";
import { closeAfterTest, open } from "./opened.ts";
import { batchOf, column, rowsOf, shapeOf, type TestStore, until, wireOf } from "./support.ts";

const SCHEMA = () => wireOf(eventsOf([1])).schema;
const OTHER = shapeOf("other", EVENTS.columns);
const many = (count: number) => eventsOf(Array.from({ length: count }, (_, index) => index));

/** Fills the table's buffer beyond 1 MB on disk. */
async function fill(t: TestStore): Promise<void> {
  await t.store.ensureBuffer(EVENTS, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
  await stream.append(batchOf(many(40_000)), {});
  await t.store.seal(EVENTS.target, "command");
  await until(() => (t.store.views()[0]?.diskBytes ?? 0) > 1_000_000);
}

describe("buffer_disk_limit_bytes", () => {
  test("an append over it is refused after the wait, with the limit, the table and what to do", async () => {
    const t = await open({ diskLimitBytes: 1_000_000, fullWaitSeconds: 0.02 });
    await fill(t);
    const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
    await expect(stream.append(batchOf(eventsOf([1])), {})).rejects.toMatchObject({
      code: "buffer_full",
      message: expect.stringMatching(/buffer_disk_limit_bytes \(1000000\).*main\.events/),
    });
    const stage = await t.store.stage(EVENTS.target, EVENTS, SCHEMA(), "s");
    await stage.write(batchOf(eventsOf([1])));
    await expect(stage.publish({})).rejects.toMatchObject({ code: "buffer_full" });
    await stage.discard();
    expect(t.store.backPressure).toMatchObject({ waiting: 0, waits: 2 });
  });

  test("appends that wait go on, in order, when a removal makes room", async () => {
    const t = await open({ diskLimitBytes: 1_000_000 });
    await fill(t);
    const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
    const waiting = Promise.all([1, 2, 3].map((id) => stream.append(batchOf(eventsOf([id])), {})));
    await until(() => t.store.backPressure.waiting > 0);
    await t.store.remove(t.store.sealed(EVENTS.target), undefined);
    expect((await waiting).map((ack) => ack?.seq)).toEqual([40_001, 40_002, 40_003]);
    await t.store.seal(EVENTS.target, "command");
    expect((await rowsOf(t.store.sealed(EVENTS.target), "id::INTEGER AS id")).map((row) => row["id"])).toEqual([
      1, 2, 3,
    ]);
  });

  test("a table that fills it does not stop another", async () => {
    const t = await open({ diskLimitBytes: 1_000_000, fullWaitSeconds: 0.02 });
    await fill(t);
    await t.store.ensureBuffer(OTHER, 0);
    const other = await t.store.appendToBuffer(OTHER.target, SCHEMA(), "s");
    expect(await other.append(batchOf(eventsOf([1])), {})).toMatchObject({ rows: 1 });
  });

  test("closing refuses those who wait", async () => {
    const t = await open({ diskLimitBytes: 1_000_000 });
    await fill(t);
    const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
    const waiting = stream.append(batchOf(eventsOf([1])), {});
    const outcome = expect(waiting).rejects.toMatchObject({ code: "shutting_down" });
    await t[Symbol.asyncDispose]();
    await outcome;
  });
});

test("bytes in flight are bounded, a batch larger than the bound goes alone, order stays", async () => {
  const t = await open({ maxInFlightBytes: 100 });
  await t.store.ensureBuffer(EVENTS, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
  const acks = await Promise.all(Array.from({ length: 20 }, (_, id) => stream.append(batchOf(eventsOf([id])), {})));
  expect(acks.map((ack) => ack?.seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(t.store.backPressure.waits).toBeGreaterThan(0);
});

test("closing finishes what was sent before it", async () => {
  const t = await open();
  await t.store.ensureBuffer(EVENTS, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, SCHEMA(), "s");
  const acks = Promise.all([1, 2, 3].map((id) => stream.append(batchOf(eventsOf([id])), {})));
  const second = await t.reopen();
  closeAfterTest(second);
  expect((await acks).map((ack) => ack?.seq)).toEqual([1, 2, 3]);
  expect(second.store.recovered).toMatchObject([{ rows: 3 }]);
});

describe("memory", () => {
  test("100 columns at 16 MB: a wide table gets what it needs", async () => {
    const columns = Array.from({ length: 100 }, (_, index) => column(`c${index}`, index % 2 ? "VARCHAR" : "BLOB"));
    const shape = shapeOf("wide", columns);
    const t = await open();
    await t.store.ensureBuffer(shape, 0);
    const batch = new Table(
      Object.fromEntries(
        columns.map(({ name, type }) => [
          name,
          type === "VARCHAR"
            ? vectorFromArray(
                Array.from({ length: 1000 }, (_, row) => `${name} of row ${row}`),
                new Utf8(),
              )
            : vectorFromArray(
                Array.from({ length: 1000 }, (_, row) => new Uint8Array(20).fill(row)),
                new Binary(),
              ),
        ]),
      ),
    );
    const stream = await t.store.appendToBuffer(shape.target, wireOf(batch).schema, "s");
    await Promise.all(Array.from({ length: 20 }, () => stream.append(batchOf(batch), {})));
    await t.store.seal(shape.target, "command");
    expect(t.store.sealed(shape.target)).toMatchObject([{ rows: 20_000 }]);
  });

  test("one batch larger than buffer_memory_mb", async () => {
    const shape = shapeOf("large", [column("text", "VARCHAR")]);
    const t = await open();
    await t.store.ensureBuffer(shape, 0);
    const large = new Table({
      text: vectorFromArray(
        Array.from({ length: 64 }, (_, row) => `${row}`.repeat(600_000)),
        new Utf8(),
      ),
    });
    const stream = await t.store.appendToBuffer(shape.target, wireOf(large).schema, "s");
    expect(await stream.append(batchOf(large), {})).toMatchObject({ rows: 64 });
    await t.store.seal(shape.target, "command");
    const rows = await rowsOf(t.store.sealed(shape.target), "length(text)::INTEGER AS n");
    expect(rows.map((row) => row["n"])).toEqual(Array.from({ length: 64 }, (_, row) => `${row}`.length * 600_000));
  });
});
