import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Database } from "../../src/duck/database.ts";
import { testCases } from "../support/python-cases.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** Bulk ingests that become Parquet files of the lake without a second write. */

let eider: RunningEider;

beforeAll(async () => {
  // A stream of four times as much.
  eider = await startEider({ settings: { stageMemoryBytes: 4096 } });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

testCases("test/integration/python/adoption_cases.py", { server: () => eider });

test("files were taken as they were, and those without statistics were not", async () => {
  await eider.stop("SIGTERM");
  await using database = await Database.open();
  using connection = await database.connect();
  await database.attachFile(connection, join(eider.dataDir, "catalog.ducklake"), "catalog", "READ_ONLY");
  // Only a file that was added has a mapping of its columns' names.
  const rows = await connection.rows(
    `SELECT table_name AS name, count(mapping_id)::INT > 0 AS adopted, count(*) > count(mapping_id) AS written
       FROM catalog.ducklake_data_file JOIN catalog.ducklake_table t USING (table_id)
      WHERE t.end_snapshot IS NULL GROUP BY ALL ORDER BY name`,
  );
  const found = Object.fromEntries(rows.map(({ name, adopted, written }) => [name, { adopted, written }]));
  expect(found).toMatchObject({
    adopted: { adopted: true, written: true },
    written: { adopted: false, written: true },
  });
});
