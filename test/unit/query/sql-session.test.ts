import { expect, test } from "vitest";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { OpenTransactions } from "../../../src/query/open-transactions.ts";
import { SqlSession } from "../../../src/query/sql-session.ts";

test("COMMIT is told whether the transaction may have written, and since when", async () => {
  await using database = await Database.open();
  const told: Array<number | undefined> = [];
  await using sql = new SqlSession(
    () => database.connect(),
    async (connection, sinceMs) => {
      told.push(sinceMs?.());
      await connection.run("COMMIT");
    },
    new OpenTransactions(3600),
  );
  const startedMs = Date.now() - 1000;
  for (const uses of [["read"], ["read", "write", "read"], [undefined]] as const) {
    const transaction = sql.beginTransaction();
    for (const use of uses) await sql.onSlot(transaction, (slot) => slot.connection.run("SELECT 1"), use);
    await sql.endTransaction(transaction.id, "commit");
  }
  expect(told).toEqual([undefined, expect.any(Number), expect.any(Number)]);
  expect(told[1]).toBeGreaterThan(startedMs);
});

test("first statements that come at once begin their transaction once", async () => {
  await using database = await Database.open();
  const connect = () => database.connect();
  const commit = async (connection: Connection) => {
    await connection.run("COMMIT");
  };
  await using sql = new SqlSession(connect, commit, new OpenTransactions(3600));
  // It takes the session's first connection: the others have to choose one.
  const other = sql.beginTransaction();
  await sql.onSlot(other, (slot) => slot.connection.run("SELECT 1"));
  const transaction = sql.beginTransaction();
  const numbers = await Promise.all(
    [1, 2, 3].map(() => sql.onSlot(transaction, (slot) => slot.connection.rows("SELECT txid_current()::INT AS n"))),
  );
  expect(new Set(numbers.map(([row]) => row?.["n"])).size).toBe(1);
  await sql.endTransaction(transaction.id, "commit");
  await sql.endTransaction(other.id, "rollback");
});
