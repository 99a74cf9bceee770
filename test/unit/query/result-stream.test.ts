import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { ResultStream } from "../../../src/query/result-stream.ts";
import { Slot } from "../../../src/query/slot.ts";
import { Statement } from "../../../src/query/statement.ts";

function open(slot: Slot, sql: string): Promise<ResultStream> {
  return slot.exclusive(async () => {
    const statement = await Statement.prepare(slot.connection, sql);
    const stream = new ResultStream(slot, await statement.stream());
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
