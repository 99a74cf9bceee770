import { setImmediate as nextTurn } from "node:timers/promises";
import { Field, Int32, Schema } from "apache-arrow";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeSchema } from "../../../src/arrow/schema.ts";
import { Database } from "../../../src/duck/database.ts";
import type { StatementResult } from "../../../src/flight/backend.ts";
import { whileDefining } from "../../../src/ingest/definitions.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { OpenTransactions } from "../../../src/query/open-transactions.ts";
import { SqlSession } from "../../../src/query/sql-session.ts";
import type { ClientSession } from "../../../src/session/session.ts";
import { System } from "../model/system.ts";
import { sessionOf } from "./session-fixture.ts";

const IDLE_SECONDS = 10;

let system: System;
let scratch: Database;
let transactions: OpenTransactions;
let session: ClientSession;

beforeEach(async () => {
  system = await System.open();
  scratch = await Database.open();
  transactions = new OpenTransactions(IDLE_SECONDS);
  session = sessionOf(system, scratch, transactions);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});

afterEach(async () => {
  vi.useRealTimers();
  await session[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

async function execute(sql: string): Promise<StatementResult> {
  const statement = await session.prepare(sql, {});
  return await statement.execute(undefined, {});
}

async function run(sql: string): Promise<void> {
  const result = await execute(sql);
  if (result.kind !== "rows") return;
  for await (const _ of result.rows.frames());
  await result.rows[Symbol.asyncDispose]();
}

const idle = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

/** Takes the turn of definitions; throws when somebody keeps it. */
async function holdDefinitions(): Promise<() => void> {
  const held = system.lake.holdDefinitions();
  held.catch(() => undefined);
  // More than a statement that waits for its turn is given.
  await idle(120);
  return await held;
}

/** Resolves when the next statement asks for the turn of definitions. */
function asksForDefinitions(lake: Lake): Promise<void> {
  const hold = lake.holdDefinitions.bind(lake);
  return new Promise((resolve) => {
    lake.holdDefinitions = () => {
      resolve();
      return hold();
    };
  });
}

const DEFINITIONS = [
  "CREATE TABLE t (a INT)",
  "CREATE TABLE t (a INT PRIMARY KEY)",
  "INSERT INTO duckling_queue.t SELECT 1 AS a",
];

test.each(DEFINITIONS)("a transaction that was left alone does not take the turn of definitions: %s", async (sql) => {
  await run("BEGIN");
  await run("SELECT 1");
  const statement = await session.prepare(sql, {});
  await idle(IDLE_SECONDS);
  expect(transactions.leftAloneCount).toBe(1);
  while (transactions.count > 0) await nextTurn();
  await expect(statement.execute(undefined, {})).rejects.toMatchObject({ code: "transaction_aborted" });
  (await holdDefinitions())();
  await run("ROLLBACK");
});

test("a transaction whose first statement defines a table and cannot begin gives the turn of definitions back", async () => {
  const transaction = session.sql.beginTransaction();
  const failing = whileDefining(system.lake, transaction, () => Promise.reject(new Error("no connection")));
  await expect(failing).rejects.toThrow("no connection");
  expect(transaction.holdsDefinitions).toBe(false);
  (await holdDefinitions())();
});

test.each(DEFINITIONS)("a transaction is not idle while its statement waits for others: %s", async (sql) => {
  await run("BEGIN");
  await run("SELECT 1");
  const statement = await session.prepare(sql, {});
  const release = await system.lake.holdDefinitions();
  const waits = asksForDefinitions(system.lake);
  const running = statement.execute(undefined, {});
  await waits;
  await idle(IDLE_SECONDS);
  expect(transactions.leftAloneCount).toBe(0);
  release();
  await running;
  await run("COMMIT");
  await run("SELECT a FROM t");
});

test("a temporary table is prepared and made while another's transaction defines tables", async () => {
  const release = await system.lake.holdDefinitions();
  await run("CREATE TEMP TABLE own (a INT)");
  release();
  await run("SELECT a FROM own");
});

test("a transaction is idle from the end of its last result on", async () => {
  await run("BEGIN");
  const result = await execute("SELECT range FROM range(1_000_000)");
  if (result.kind !== "rows") throw new Error("no rows");
  await idle(IDLE_SECONDS - 1);
  for await (const _ of result.rows.frames());
  await idle(IDLE_SECONDS - 1);
  expect(transactions.leftAloneCount).toBe(0);
  await idle(1);
  expect(transactions.leftAloneCount).toBe(1);
});

test("a statement that still waits when its transaction ends does not begin it again", async () => {
  await run("BEGIN");
  const statement = await session.prepare("CREATE TABLE t (a INT)", {});
  const release = await system.lake.holdDefinitions();
  const waits = asksForDefinitions(system.lake);
  const running = statement.execute(undefined, {});
  running.catch(() => undefined);
  await waits;
  await run("ROLLBACK");
  release();
  await expect(running).rejects.toMatchObject({ code: "transaction_aborted" });
  expect(transactions.count).toBe(0);
  (await holdDefinitions())();
});

test("a transaction whose BEGIN fails while its ROLLBACK waits was never counted", async () => {
  await run("SELECT 1");
  const { connection } = session.sql.slots.home;
  const runSql = connection.run.bind(connection);
  const transaction = session.sql.beginTransaction();
  let ended: Promise<void> | undefined;
  connection.run = (sql, values) => {
    if (sql !== "BEGIN TRANSACTION") return runSql(sql, values);
    ended = session.sql.endTransaction(transaction.id, "rollback");
    return runSql("BEGIN NONSENSE");
  };
  await expect(session.sql.onSlot(transaction, async () => undefined)).rejects.toThrow(/NONSENSE/);
  await ended;
  expect(transactions.count).toBe(0);
});

test("a transaction that the session has not begun is not found, whatever names it, and nothing is committed", async () => {
  await run("CREATE TABLE t (a INT)");
  const elsewhere = new SqlSession(
    () => scratch.connect(),
    async () => undefined,
    transactions,
  );
  const { id } = elsewhere.beginTransaction();
  const insert = await session.prepare("INSERT INTO t VALUES (1)", {});
  const select = await session.prepare("SELECT 1", {});
  const ingest = { table: "t", temporary: false, ifNotExists: "fail", ifExists: "append", options: {} } as const;
  const schema = encodeSchema(new Schema([new Field("a", new Int32())]));
  for (const transaction of [id, "none"]) {
    const notFound = { code: "not_found", message: expect.stringContaining(transaction) };
    await expect(session.prepare("INSERT INTO t VALUES (1)", { transaction })).rejects.toMatchObject(notFound);
    await expect(insert.execute(undefined, { transaction })).rejects.toMatchObject(notFound);
    await expect(select.execute(undefined, { transaction })).rejects.toMatchObject(notFound);
    await expect(session.ingest({ ...ingest, transaction }, schema)).rejects.toMatchObject(notFound);
  }
  const own = await session.beginTransaction();
  await insert.execute(undefined, { transaction: own });
  await session.endTransaction(own, "rollback");
  await elsewhere[Symbol.asyncDispose]();
  const count = await session.sql.onHome((slot) => slot.connection.rows("SELECT count(*)::INT AS n FROM t"));
  expect(count).toEqual([{ n: 0 }]);
});
