import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { ConnectionPool, type ConnectionPoolOptions } from "../../../src/query/connection-pool.ts";

let database: Database;

beforeAll(async () => {
  database = await Database.open();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

function open(options: Partial<ConnectionPoolOptions> = {}) {
  const clock = { nowMs: 0 };
  const pool = new ConnectionPool({
    connect: () => database.connect(),
    max: 2,
    idle: 1,
    lifetimeMs: 1000,
    now: () => clock.nowMs,
    ...options,
  });
  onTestFinished(() => pool[Symbol.asyncDispose]());
  return { pool, clock };
}

const { signal } = new AbortController();

test("a connection is used again, in no transaction, and no more than `idle` are kept", async () => {
  const { pool } = open();
  const first = await pool.lease(signal);
  const second = await pool.lease(signal);
  await first.connection.run("BEGIN; CREATE TABLE left_open (i INTEGER)");
  expect(pool.counts).toMatchObject({ busy: 2, idle: 0, opened: 2 });
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  expect(pool.counts).toMatchObject({ busy: 0, idle: 1, opened: 2 });
  expect(second.connection.isClosed).toBe(true);
  await using again = await pool.lease(signal);
  expect(again.connection).toBe(first.connection);
  await again.connection.run("BEGIN");
  await expect(again.connection.run("FROM left_open")).rejects.toMatchObject({ code: "table_not_found" });
});

test("beyond `max` callers wait in order; one that gives up is left out", async () => {
  const { pool, clock } = open({ max: 1 });
  const first = await pool.lease(signal);
  const order: string[] = [];
  const gone = new AbortController();
  const second = pool.lease(signal).then((lease) => {
    order.push("second");
    return lease;
  });
  const third = pool.lease(gone.signal);
  const fourth = pool.lease(signal).then((lease) => {
    order.push("fourth");
    return lease;
  });
  expect(pool.counts).toMatchObject({ busy: 1, waiting: 3, waits: 3 });
  gone.abort(new Error("gone"));
  await expect(third).rejects.toThrow("gone");
  clock.nowMs = 40;
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  await (await fourth)[Symbol.asyncDispose]();
  expect(order).toEqual(["second", "fourth"]);
  expect(pool.counts).toMatchObject({ busy: 0, waiting: 0, waitedMs: 80, opened: 1 });
});

test("a connection is replaced at the end of its life, and when its instance has died", async () => {
  const { pool, clock } = open();
  const used: Connection[] = [];
  for (const change of [
    () => undefined,
    () => {
      clock.nowMs += 1000;
    },
    () => used.at(-1)?.close(),
  ]) {
    change();
    await using lease = await pool.lease(signal);
    used.push(lease.connection);
  }
  expect(new Set(used).size).toBe(3);
  expect(pool.counts).toMatchObject({ busy: 0, idle: 1, opened: 3 });
});

test("a connection that cannot be opened leaves its place to the next", async () => {
  let isBroken = true;
  const { pool } = open({
    max: 1,
    connect: async () => {
      if (isBroken) throw new Error("no connection");
      return database.connect();
    },
  });
  await expect(pool.lease(signal)).rejects.toThrow("no connection");
  isBroken = false;
  await using lease = await pool.lease(signal);
  expect(lease.connection.isClosed).toBe(false);
});

test("closing stops what runs, waits for it, and refuses those who wait", async () => {
  const { pool } = open({ max: 1 });
  const lease = await pool.lease(signal);
  const waiting = pool.lease(signal);
  const running = lease.connection.rows("SELECT count(*) FROM range(100000000000) t(i) WHERE sqrt(i) = 1.5");
  const closing = pool[Symbol.asyncDispose]();
  await expect(running).rejects.toMatchObject({ code: "cancelled" });
  await lease[Symbol.asyncDispose]();
  await closing;
  await expect(waiting).rejects.toMatchObject({ code: "shutting_down" });
  await expect(pool.lease(signal)).rejects.toMatchObject({ code: "shutting_down" });
});
