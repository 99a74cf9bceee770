import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { CrashRun, crashAgent } from "./crash-run.ts";

/** Rows lost, doubled and made up, a watermark set back: nothing that a server did. */
const DAMAGE = `
import duckdb, json, sys
job = json.load(sys.stdin)
connection = duckdb.connect()
connection.execute(f"LOAD '{job['extension']}'")
connection.execute(f"ATTACH 'ducklake:{job['catalog']}' AS lake (DATA_PATH '{job['dataPath']}', DATA_INLINING_ROW_LIMIT 100)")
(watermark,) = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_eider' AND table_name LIKE 'watermark%'").fetchone()
for sql in [
    "DELETE FROM lake.main.put_append WHERE id = 0",
    "INSERT INTO lake.main.put_tokens SELECT * FROM lake.main.put_tokens LIMIT 1",
    "INSERT INTO lake.main.put_tokens VALUES (123456789, 'nobody wrote this')",
    "DELETE FROM lake.main.put_keyed WHERE id = (SELECT min(id) FROM lake.main.put_keyed)",
    f'UPDATE lake._eider."{watermark}" SET last_seq = last_seq - 1',
]:
    connection.execute(sql)
print("null")
`;

const agent = crashAgent();
afterAll(() => agent[Symbol.asyncDispose]());

test("the judge sees what is lost, doubled, made up, set back, or left over", async () => {
  await using run = await CrashRun.begin(agent, ["put_append", "put_tokens", "put_keyed", "ingest_small"]);
  await run.liveAndStop();
  expect((await run.judge()).problems, run.logs).toEqual([]);

  const { extension, catalog, dataPath, dataDir } = run;
  await runPython(DAMAGE, { extension, catalog, dataPath });
  for (const name of await readdir(join(dataPath, "main", "ingest_small"))) {
    await rm(join(dataPath, "main", "ingest_small", name));
  }
  await mkdir(join(dataDir, "guard", "some-flush"));
  await writeFile(join(dataDir, "guard", "some-flush", "flush.json"), "{}");
  await writeFile(join(dataDir, "buffer", "seg-0.duckdb"), "");

  const { problems } = await run.judge();
  for (const problem of [
    /put_append: operation 0 was acknowledged, 1 of its rows are missing/,
    /put_tokens: 1 rows are there more than once/,
    /put_tokens: 1 rows that nobody wrote/,
    /put_keyed: the table is not what the acknowledged operations make/,
    /ingest_small: .* is in the catalog but does not exist/,
    /the watermark of main.put_append did not only grow/,
    /put_append: the watermark is \d+, but seq \d+ was acknowledged/,
    /left over: guard\/some-flush\/flush.json/,
    /left in the buffer folder: buffer\/seg-0.duckdb/,
  ]) {
    expect(problems).toContainEqual(expect.stringMatching(problem));
  }
});
