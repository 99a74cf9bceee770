import { join } from "node:path";
import { expect, test } from "vitest";
import { Database } from "../../../src/duck/database.ts";
import { copyAsCrashed } from "../../support/copy-as-crashed.ts";
import { until } from "../../support/flight-client.ts";
import { tempDir } from "../../support/temp-dir.ts";

test("a file is attached once in this thread, and again after it was detached", async () => {
  await using dir = tempDir();
  const path = join(dir.path, "a.db");
  await using one = await Database.open();
  await using two = await Database.open();
  using first = await one.connect();
  using second = await two.connect();
  await one.attachFile(first, path, "a");
  await expect(two.attachFile(second, path, "b")).rejects.toThrow("already attached as a");
  await one.detachFile(first, path, "a");
  await two.attachFile(second, path, "b", "READ_ONLY");
  await expect(second.run("CREATE TABLE b.t (i INTEGER)")).rejects.toThrow(/read-only/);
});

test("a transaction rolls back when its body fails, and the connection stays usable", async () => {
  await using database = await Database.open();
  using connection = await database.connect();
  await connection.run("CREATE TABLE t (i INTEGER PRIMARY KEY)");
  const twice = connection.transaction(async () => {
    await connection.run("INSERT INTO t VALUES (1)");
    await connection.run("INSERT INTO t VALUES (1)");
  });
  await expect(twice).rejects.toMatchObject({ code: "constraint_violated" });
  expect(await connection.rows("SELECT count(*)::INTEGER AS n FROM t")).toEqual([{ n: 0 }]);
});

test("a transaction that ends in the calling thread is in the file, and its failure is told like any other", async () => {
  await using dir = tempDir();
  const path = join(dir.path, "a.db");
  await using database = await Database.open({ threads: "1" });
  using connection = await database.connect();
  using other = await database.connect();
  await database.attachFile(connection, path, "a");
  await connection.run("CREATE TABLE a.t (i INTEGER PRIMARY KEY)");
  for (const i of [1, 2, 3]) {
    await connection.runInThread("BEGIN");
    await connection.run(`INSERT INTO a.t VALUES (${i})`);
    await connection.runInThread("COMMIT");
    const [copy, name] = [join(dir.path, `copy-${i}.db`), `copy_${i}`];
    copyAsCrashed(path, copy);
    await using reader = await Database.open();
    using reading = await reader.connect();
    await reader.attachFile(reading, copy, name);
    expect(await reading.rows(`SELECT count(*)::INTEGER AS n FROM ${name}.t`)).toEqual([{ n: i }]);
  }
  const refused = async (commit: () => Promise<unknown>) => {
    await connection.run("BEGIN; INSERT INTO a.t VALUES (4)");
    await other.run("INSERT INTO a.t VALUES (4)");
    const error = await commit().then(String, String);
    await connection.rollback();
    await other.run("DELETE FROM a.t WHERE i = 4");
    return error;
  };
  const error = await refused(() => connection.runInThread("COMMIT"));
  expect(error).toContain("duplicate key");
  expect(error).toBe(await refused(() => connection.run("COMMIT")));
  await expect(connection.runInThread("COMMIT")).rejects.toThrow("no transaction is active");
  expect(await connection.rows("SELECT count(*)::INTEGER AS n FROM a.t")).toEqual([{ n: 3 }]);
});

test("a running statement tells how far it is", async () => {
  await using database = await Database.open();
  using connection = await database.connect();
  await connection.run("SET enable_progress_bar = true; SET enable_progress_bar_print = false");
  await connection.run("CREATE TABLE t AS SELECT i FROM range(1000000) r(i)");
  expect(connection.progress).toBeUndefined();
  const endless = connection.run("SELECT sum(a.i * b.i) FROM t a, t b");
  endless.catch(() => undefined);
  await until(() => connection.progress !== undefined);
  expect(connection.progress).toBeGreaterThanOrEqual(0);
  expect(connection.progress).toBeLessThan(1);
  connection.interrupt();
  await expect(endless).rejects.toMatchObject({ code: "cancelled" });
});

test("a text that is no statement is an error of the one who wrote it", async () => {
  await using database = await Database.open();
  using connection = await database.connect();
  for (const sql of ["é", "日本", "-- nothing", ""]) {
    await expect(connection.parse(sql), sql).rejects.toMatchObject({ code: "sql_invalid" });
  }
  await expect(connection.parse("SELEC é")).rejects.toThrow('syntax error at or near "SELEC"');
  expect(await connection.parse("SELECT 'é'")).toBe(1);
});
