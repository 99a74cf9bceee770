import { tmpdir } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { ResultStream } from "../../../src/query/result-stream.ts";
import { Slot } from "../../../src/query/slot.ts";
import { SpoolSpace } from "../../../src/query/spool-space.ts";
import { Statement } from "../../../src/query/statement.ts";

const ROOMY = { folder: tmpdir(), memoryLimitBytes: 2 ** 28, diskLimitBytes: 2 ** 30 };

function open(slot: Slot, sql: string, spool = new SpoolSpace(ROOMY)): Promise<ResultStream> {
  return slot.exclusive(async () => {
    const statement = await Statement.prepare(slot.connection, sql);
    const stream = new ResultStream(slot, await statement.stream(), { spool });
    slot.occupy(stream);
    return stream;
  });
}

async function bodyBytes(stream: ResultStream): Promise<number> {
  let bytes = 0;
  for await (const frame of stream.frames()) bytes += frame.body.byteLength;
  return bytes;
}

/** Counts the statements that run on the connection at this moment. */
function watchRuns(connection: Connection): () => number {
  let running = 0;
  const run = connection.run.bind(connection);
  connection.run = async (...args) => {
    running++;
    try {
      return await run(...args);
    } finally {
      running--;
    }
  };
  return () => running;
}

test("a slot is free only when a cancelled result has left its connection: the next result is whole", async () => {
  await using database = await Database.open();
  const connection = await database.connect();
  const running = watchRuns(connection);
  const slot = new Slot(connection);
  const sql = "SELECT i FROM range(100000) t(i)";
  const whole = await bodyBytes(await open(slot, sql));
  for (let round = 0; round < 20; round++) {
    const cancelled = await open(slot, "SELECT i, repeat('x', 100) FROM range(1000000) t(i)");
    await cancelled.frames().next();
    const closing = cancelled[Symbol.asyncDispose]();
    while (!slot.isIdle) await nextTurn();
    expect(running()).toBe(0);
    expect(await bodyBytes(await open(slot, sql))).toBe(whole);
    await closing;
  }
});

const ROWS = "SELECT i, repeat('x', 100) FROM range(200000) t(i)";

test("results that wait to be read take memory first, then disk, and give both back", async () => {
  await using database = await Database.open();
  const slot = new Slot(await database.connect());
  const spool = new SpoolSpace({ ...ROOMY, memoryLimitBytes: 8 * 2 ** 20 });
  const whole = await bodyBytes(await open(slot, ROWS));
  const waiting = await open(slot, ROWS, spool);
  expect(await bodyBytes(await open(slot, "SELECT 1", spool))).toBeGreaterThan(0);
  expect(spool.memoryBytes).toBeGreaterThan(0);
  expect(spool.memoryBytes).toBeLessThanOrEqual(2 * 2 ** 20);
  expect(spool.diskBytes).toBeGreaterThan(2 ** 20);
  expect(await bodyBytes(waiting)).toBe(whole);
  await waiting[Symbol.asyncDispose]();
  expect([spool.memoryBytes, spool.diskBytes]).toEqual([0, 0]);
});

test("a result that nobody reads ends at the limit; the session's next statement runs", async () => {
  await using database = await Database.open();
  const slot = new Slot(await database.connect());
  const spool = new SpoolSpace({ ...ROOMY, memoryLimitBytes: 2 ** 20, diskLimitBytes: 4 * 2 ** 20 });
  const waiting = await open(slot, ROWS, spool);
  expect(await bodyBytes(await open(slot, "SELECT 1", spool))).toBeGreaterThan(0);
  expect(spool.diskBytes).toBeLessThanOrEqual(4 * 2 ** 20);
  await expect(bodyBytes(waiting)).rejects.toMatchObject({
    code: "limit_exceeded",
    message: expect.stringMatching(/spool_disk_limit_bytes \(4194304\)/),
  });
  await waiting[Symbol.asyncDispose]();
  expect([spool.memoryBytes, spool.diskBytes]).toEqual([0, 0]);
});
