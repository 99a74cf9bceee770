import { expect, test } from "vitest";
import { Database } from "../../../src/duck/database.ts";

test("what is open is waited for, on all connections", async () => {
  await using database = await Database.open();
  using one = await database.connect();
  using two = await database.connect();
  let isAnswered = false;
  const answer = one.rows("SELECT sum(range % 7) FROM range(10000000)").finally(() => {
    isAnswered = true;
  });
  await two.othersPlanned();
  expect(isAnswered).toBe(true);
  await answer;
});

test("what goes on for long is not waited for, and not at all a second time", async () => {
  await using database = await Database.open();
  using one = await database.connect();
  using two = await database.connect();
  const answer = one.rows("SELECT sum(a.range % b.range) FROM range(10000000) a, range(1, 10000000) b");
  const ended = expect(answer).rejects.toThrow(/interrupted/i);
  await two.othersPlanned();
  const again = two.othersPlanned().then(() => "at once");
  expect(await Promise.race([again, new Promise((resolve) => setImmediate(resolve, "later"))])).toBe("at once");
  one.interrupt();
  await ended;
});
