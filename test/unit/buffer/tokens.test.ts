import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tokenCutoffMs, tokenNowMs } from "../../../src/buffer/token-clock.ts";
import type { AppendResult, AppendStream } from "../../../src/buffer/types.ts";
import { EVENTS, eventsOf } from "./events.ts";
import { closeAfterTest, open } from "./opened.ts";
import { batchOf, rowsOf, type TestStore, wireOf } from "./support.ts";

async function streamOn(t: TestStore, watermark = 0): Promise<AppendStream> {
  await t.store.ensureBuffer(EVENTS, watermark);
  return t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
}

const FIRST: AppendResult = { rows: 2, seq: 2, duplicate: false };
const AGAIN: AppendResult = { ...FIRST, duplicate: true };
const twoRows = () => batchOf(eventsOf([1, 2]));

async function folderOf(t: TestStore): Promise<string> {
  const names = await readdir(t.dir);
  return join(t.dir, names.find((name) => name.startsWith("main.events-")) ?? "");
}

test("the same token twice in flight: one is stored, both are acknowledged", async () => {
  const t = await open();
  const stream = await streamOn(t);
  const acks = await Promise.all([
    stream.append(twoRows(), { token: "a" }),
    stream.append(twoRows(), { token: "a" }),
    stream.append(batchOf(eventsOf([3])), { token: "b" }),
    stream.append(twoRows(), { token: "a" }),
  ]);
  expect(acks).toEqual([FIRST, AGAIN, { rows: 1, seq: 3, duplicate: false }, AGAIN]);
  await t.store.seal(EVENTS.target, "command");
  expect((await rowsOf(t.store.sealed(EVENTS.target), "id::INTEGER AS id")).map((row) => row["id"])).toEqual([1, 2, 3]);
});

test("a refused batch does not use its token up", async () => {
  const t = await open();
  await t.store.ensureBuffer({ ...EVENTS, primaryKey: ["id"] }, 0);
  const stream = await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s");
  const [bad, good] = await Promise.allSettled([
    stream.append(batchOf(eventsOf([null])), { token: "a" }),
    stream.append(twoRows(), { token: "a" }),
  ]);
  expect(bad).toMatchObject({ status: "rejected", reason: { code: "constraint_violated" } });
  expect(good).toMatchObject({ status: "fulfilled", value: FIRST });
});

test("a token is remembered after a seal, a restart, a removal, and a restart after that", async () => {
  const t = await open();
  let stream = await streamOn(t);
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(FIRST);
  await t.store.seal(EVENTS.target, "command");
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(AGAIN);

  const second = await t.reopen();
  closeAfterTest(second);
  stream = await streamOn(second);
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(AGAIN);
  await second.store.remove(second.store.sealed(EVENTS.target), undefined);
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(AGAIN);
  expect(existsSync(join(await folderOf(second), "tokens.duckdb"))).toBe(true);

  const third = await second.reopen();
  closeAfterTest(third);
  expect(third.store.recovered).toEqual([]);
  stream = await streamOn(third, 2);
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(AGAIN);
  expect(await stream.append(batchOf(eventsOf([3])), { token: "b" })).toMatchObject({ seq: 3, duplicate: false });
});

test("segments that are removed before the buffer is used after a restart keep their tokens too", async () => {
  const t = await open();
  const first = await streamOn(t);
  await first.append(twoRows(), { token: "a" });
  const second = await t.reopen();
  closeAfterTest(second);
  await second.store.remove(second.store.recovered, undefined);
  const stream = await streamOn(second, 2);
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(AGAIN);
});

test("expired tokens are forgotten, and no token store is made of them", async () => {
  const t = await open({ tokenRetentionSeconds: 0 });
  const stream = await streamOn(t);
  await stream.append(twoRows(), { token: "a" });
  const storedMs = tokenNowMs();
  while (tokenCutoffMs(0) <= storedMs) await new Promise((resolve) => setImmediate(resolve));
  expect(await stream.append(twoRows(), { token: "a" })).toMatchObject({ seq: 4, duplicate: false });
  const second = await t.reopen({ tokenRetentionSeconds: 3600 });
  closeAfterTest(second);
  const late = await streamOn(second);
  expect(await late.append(twoRows(), { token: "a" })).toMatchObject({ seq: 4, duplicate: true });
});

test("no tokens, no token store", async () => {
  const t = await open();
  const stream = await streamOn(t);
  await stream.append(twoRows(), {});
  await t.store.seal(EVENTS.target, "command");
  await t.store.remove(t.store.sealed(EVENTS.target), undefined);
  expect((await readdir(await folderOf(t))).filter((name) => name.includes("duckdb"))).toEqual([]);
});

test("tokens of one table mean nothing to another", async () => {
  const t = await open();
  const other = { ...EVENTS, target: { schema: "other", table: "events" } };
  const stream = await streamOn(t);
  await t.store.ensureBuffer(other, 0);
  const elsewhere = await t.store.appendToBuffer(other.target, wireOf(eventsOf([1])).schema, "s");
  expect(await stream.append(twoRows(), { token: "a" })).toEqual(FIRST);
  expect(await elsewhere.append(twoRows(), { token: "a" })).toEqual(FIRST);
});

test("a table that was dropped and made anew has seen no token, before and after a removal and a restart", async () => {
  const [old, made] = [
    { ...EVENTS, id: "old" },
    { ...EVENTS, id: "made" },
  ];
  const t = await open();
  const put = async (store: TestStore["store"], shape: typeof old) => {
    await store.ensureBuffer(shape, 0);
    const stream = await store.appendToBuffer(shape.target, wireOf(eventsOf([1])).schema, "s");
    return (await stream.append(twoRows(), { token: "a" }))?.duplicate;
  };
  expect([await put(t.store, old), await put(t.store, old)]).toEqual([false, true]);
  expect([await put(t.store, made), await put(t.store, made)]).toEqual([false, true]);
  await t.store.seal(EVENTS.target, "command");
  const sealed = t.store.sealed(EVENTS.target);
  expect(sealed.map(({ tableId }) => tableId)).toEqual(["old", "made"]);
  await t.store.remove(sealed, undefined);

  const second = await t.reopen();
  closeAfterTest(second);
  expect(await put(second.store, made)).toBe(true);
  expect(await put(second.store, { ...EVENTS, id: "third" })).toBe(false);
  const third = await second.reopen();
  closeAfterTest(third);
  expect(third.store.recovered.map(({ tableId }) => tableId)).toEqual(["third"]);
  expect(await put(third.store, { ...EVENTS, id: "third" })).toBe(true);
});
