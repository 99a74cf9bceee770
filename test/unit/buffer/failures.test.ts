import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { FailpointSpec } from "../../../src/base/failpoints.ts";
import type { AppendStream } from "../../../src/buffer/types.ts";
import { EVENTS, eventsOf } from "./events.ts";
import { open } from "./opened.ts";
import { batchOf, rowsOf, type TestStore, until, wireOf } from "./support.ts";

async function openStream(failpoints: FailpointSpec): Promise<{ t: TestStore; stream: AppendStream }> {
  const t = await open({ failpoints });
  await t.store.ensureBuffer(EVENTS, 0);
  return { t, stream: await t.store.appendToBuffer(EVENTS.target, wireOf(eventsOf([1])).schema, "s") };
}

async function sealedIds(t: TestStore): Promise<unknown[]> {
  await t.store.seal(EVENTS.target, "command");
  const rows = await rowsOf(t.store.sealed(EVENTS.target), "id::INTEGER AS id");
  return rows.map((row) => row["id"]);
}

const send = (stream: AppendStream, id: number) => stream.append(batchOf(eventsOf([id])), { token: `t${id}` });
const DEAD = "FATAL Error: simulated: database has been invalidated because of a previous fatal error";

test("a group whose COMMIT fails is tried again in halves: all of it is stored", async () => {
  const { t, stream } = await openStream({
    "append.before_commit": { action: "error", message: "IO Error: once", times: 1 },
  });
  const acks = await Promise.all([1, 2, 3, 4, 5].map((id) => send(stream, id)));
  expect(acks.map((ack) => ack?.seq)).toEqual([1, 2, 3, 4, 5]);
  expect(await sealedIds(t)).toEqual([1, 2, 3, 4, 5]);
});

test("out of memory and a full disk refuse the batch with their code; the segment stays usable", async () => {
  for (const [message, code, times] of [
    // Once more with more memory.
    ["Out of Memory Error: failed to allocate", "out_of_memory", 2],
    ["IO Error: No space left on device", "disk_full", 1],
  ] as const) {
    const { t, stream } = await openStream({ "append.before_commit": { action: "error", message, skip: 1, times } });
    await send(stream, 1);
    await expect(send(stream, 2)).rejects.toMatchObject({ code });
    expect(await send(stream, 3)).toMatchObject({ seq: 2 });
    expect(await send(stream, 2)).toMatchObject({ seq: 3, duplicate: false });
    expect(await sealedIds(t)).toEqual([1, 3, 2]);
  }
});

test("an error that says the COMMIT is durable is a success", async () => {
  const message =
    "TransactionContext Error: Transaction COMMIT succeeded and is durable, but the autocheckpoint failed";
  const { t, stream } = await openStream({ "append.after_commit": { action: "error", message, times: 1 } });
  expect(await send(stream, 1)).toEqual({ rows: 1, seq: 1, duplicate: false });
  expect(await send(stream, 2)).toMatchObject({ seq: 2 });
  expect(await sealedIds(t)).toEqual([1, 2]);
});

test("an instance that dies before the COMMIT: the batch is refused as retryable, and the file goes on", async () => {
  const { t, stream } = await openStream({
    "append.before_commit": { action: "error", message: DEAD, skip: 1, times: 1 },
  });
  await send(stream, 1);
  await expect(send(stream, 2)).rejects.toMatchObject({ code: "buffer_unavailable", row: { retryable: true } });
  expect(await send(stream, 2)).toEqual({ rows: 1, seq: 2, duplicate: false });
  expect(await sealedIds(t)).toEqual([1, 2]);
});

test("an instance that dies after the COMMIT: the file tells that the batch is durable", async () => {
  const { t, stream } = await openStream({
    "append.after_commit": { action: "error", message: DEAD, skip: 1, times: 1 },
  });
  await send(stream, 1);
  expect(await send(stream, 2)).toEqual({ rows: 1, seq: 2, duplicate: false });
  expect(await send(stream, 2)).toEqual({ rows: 1, seq: 2, duplicate: true });
  expect(await sealedIds(t)).toEqual([1, 2]);
});

test("a lost answer after the COMMIT: sending the token again does not double the rows", async () => {
  const { t, stream } = await openStream({ "append.after_commit": { action: "error", times: 1 } });
  await expect(send(stream, 1)).rejects.toMatchObject({ code: "internal" });
  expect(await send(stream, 1)).toEqual({ rows: 1, seq: 1, duplicate: true });
  expect(await sealedIds(t)).toEqual([1]);
});

for (const failpoint of ["seal.before_checkpoint", "seal.after_checkpoint"] as const) {
  test(`${failpoint}: the seal fails, appends go on, and it is tried again in order`, async () => {
    const message = "IO Error: No space left on device";
    const { t, stream } = await openStream({ [failpoint]: { action: "error", message, times: 1 } });
    await send(stream, 1);
    await expect(t.store.seal(EVENTS.target, "command")).rejects.toMatchObject({ code: "disk_full" });
    expect(t.store.sealed(EVENTS.target)).toEqual([]);
    expect(t.store.views()).toMatchObject([{ openRows: 0, sealedRows: 1, sealedSegments: 1 }]);
    await send(stream, 2);
    await until(() => t.heard.length > 0);
    expect(t.heard).toMatchObject([{ firstSeq: 1, reason: "command" }]);
    expect(await sealedIds(t)).toEqual([1, 2]);
    expect(t.heard.map((segment) => segment.firstSeq)).toEqual([1, 2]);
    expect(t.logs.filter((log) => log.level === "warn")).toHaveLength(1);
  });
}

for (const [failpoint, isStored] of [
  ["stage.before_publish", false],
  ["stage.after_publish", true],
] as const) {
  test(`an instance that dies at ${failpoint}: the file tells whether the staged rows are durable`, async () => {
    const t = await open({
      stageMemoryBytes: 1,
      failpoints: { [failpoint]: { action: "error", message: DEAD, times: 1 } },
    });
    await t.store.ensureBuffer(EVENTS, 0);
    const publish = async () => {
      const stage = await t.store.stage(EVENTS.target, EVENTS, wireOf(eventsOf([1])).schema, "s");
      await stage.write(batchOf(eventsOf([1, 2, 3])));
      return stage.publish({ token: "whole" });
    };
    if (isStored) expect(await publish()).toEqual({ rows: 3, seq: 3, duplicate: false });
    else await expect(publish()).rejects.toMatchObject({ code: "buffer_unavailable" });
    expect(await publish()).toMatchObject({ rows: 3, duplicate: isStored });
    expect(await sealedIds(t)).toEqual([1, 2, 3]);
  });
}

test("a removal that fails can be repeated", async () => {
  const { t, stream } = await openStream({
    "remove.before": { action: "error", times: 1 },
    "remove.after": { action: "error", times: 1 },
  });
  await send(stream, 1);
  const sealed = await t.store.seal(EVENTS.target, "command");
  const segments = sealed ? [sealed] : [];
  await expect(t.store.remove(segments, undefined)).rejects.toThrow("remove.before");
  expect(existsSync(sealed?.path ?? "")).toBe(true);
  await expect(t.store.remove(segments, undefined)).rejects.toThrow("remove.after");
  expect(t.store.sealed(EVENTS.target)).toHaveLength(1);
  await t.store.remove(segments, undefined);
  expect(t.store.sealed(EVENTS.target)).toEqual([]);
  expect(await send(stream, 1)).toMatchObject({ duplicate: true });
});
