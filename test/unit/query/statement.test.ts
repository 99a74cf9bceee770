import { describe, expect, test } from "vitest";
import { Database } from "../../../src/duck/database.ts";
import { Statement } from "../../../src/query/statement.ts";

const LOST = "Failed to get data file list from DuckLake: Current transaction is aborted (please ROLLBACK)";

/** A statement that fails in its first `times` runs: what a sequence has given is not taken back. */
async function runs(times: number, message: string): Promise<number> {
  await using database = await Database.open();
  using connection = await database.connect();
  await connection.run("CREATE SEQUENCE runs");
  await connection.run("CREATE TABLE written (run BIGINT)");
  const run = `CASE WHEN run > ${times} THEN run ELSE error('${message}') END`;
  const statement = await Statement.prepare(
    connection,
    `INSERT INTO written SELECT ${run} FROM (SELECT nextval('runs') AS run)`,
  );
  try {
    return await statement.execute();
  } finally {
    statement.close();
  }
}

describe("a statement that has lost DuckLake's race for its files", () => {
  test("is run again", async () => {
    expect(await runs(3, LOST)).toBe(1);
  });

  test("is not run for ever", async () => {
    await expect(runs(1000, LOST)).rejects.toThrow(/is aborted/);
  });

  test("others are run once", async () => {
    await expect(runs(1, "Current transaction is aborted (please ROLLBACK)")).rejects.toThrow(/is aborted/);
  });
});
