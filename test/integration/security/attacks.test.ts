import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CallError, FlightTestClient } from "../../support/flight-client.ts";
import { type RunningEider, startEider } from "../../support/start-eider.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { writeUsers } from "../../support/users.ts";
import { ATTACKS } from "./attacks.ts";

/** A server with users, and every way in that we could think of. */

const PERMISSION_DENIED = 7;

let folder: TempDir;
let eider: RunningEider;
let clients: Readonly<Record<"reader" | "writer" | "everywhere" | "admin", FlightTestClient>>;
let tokens: Readonly<Record<keyof typeof clients, string>>;
let places: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = tempDir("attacks");
  const users = writeUsers(folder.path, {
    reader: { schemas: { main: "read" } },
    writer: { schemas: { main: "write" } },
    everywhere: { role: "read" },
    admin: { role: "admin" },
  });
  tokens = users.tokens;
  eider = await startEider({ settings: { usersFile: users.path, dataDir: join(folder.path, "data") } });
  const port = Number(new URL(eider.flightUri).port);
  const client = (token: string) => new FlightTestClient(port, { authorization: `Bearer ${token}` });
  clients = {
    reader: client(tokens.reader),
    writer: client(tokens.writer),
    everywhere: client(tokens.everywhere),
    admin: client(tokens.admin),
  };
  await clients.admin.run("CREATE SCHEMA vault");
  await clients.admin.run("CREATE TABLE vault.gold AS SELECT 1 AS a");
  await clients.admin.run("CREATE TABLE main.open AS SELECT 1 AS a");
  const data = join(folder.path, "data");
  const outside = join(folder.path, "outside.txt");
  writeFileSync(outside, "secret");
  const vault = join(data, "lake", "vault", "gold");
  const parquet = join(vault, readdirSync(vault)[0] ?? "");
  places = { data, outside, parquet, parquetStem: parquet.replace(/\.parquet$/, "") };
});

afterAll(async () => {
  for (const client of Object.values(clients)) client[Symbol.dispose]();
  await eider[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function failureOf(client: FlightTestClient, sql: string): Promise<CallError | undefined> {
  try {
    await client.run(sql);
    return undefined;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
}

function post(user: keyof typeof clients, sql: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${eider.httpUrl}/query`, {
    method: "POST",
    body: JSON.stringify({ sql }),
    headers: { authorization: `Bearer ${tokens[user]}`, ...headers },
  });
}

const withPlaces = (sql: string) => sql.replace(/\{(\w+)\}/g, (text, name: string) => places[name] ?? text);

describe.each(ATTACKS)("$what", ({ sql, by, says }) => {
  test.each(by)("%s: refused", async (user) => {
    const failure = await failureOf(clients[user], withPlaces(sql));
    expect(failure?.message ?? "it was done").not.toBe("it was done");
    if (says === undefined) expect([failure?.code, failure?.message]).toEqual([PERMISSION_DENIED, expect.any(String)]);
    const response = await post(user, withPlaces(sql));
    expect([400, 403, 404], await response.text()).toContain(response.status);
  });
});

test("nothing was left behind", async () => {
  expect(existsSync(`${places["outside"]}.csv`)).toBe(false);
  expect(existsSync(join(places["data"] ?? "", "buffer", "x.csv"))).toBe(false);
  expect(eider.output.trim().split("\n")).toHaveLength(1);
  expect(await failureOf(clients.admin, "SELECT * FROM vault.gold")).toBeUndefined();
});

const ALLOWED: ReadonlyArray<readonly [user: keyof typeof clients, sql: string]> = [
  ["reader", "SELECT a, count(*) FROM open GROUP BY a"],
  ["reader", "FROM lake.main.open"],
  ["reader", "SELECT * FROM main.open o JOIN range(3) r ON true"],
  ["reader", "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r"],
  ["reader", "WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM b"],
  ["reader", "SELECT * FROM open AT (TIMESTAMP => now())"],
  ["reader", "CREATE TEMP TABLE mine AS SELECT 1 AS a"],
  ["reader", "INSERT INTO temp.mine VALUES (2)"],
  ["reader", "SELECT * FROM temp.mine"],
  ["reader", "SHOW TABLES"],
  ["reader", "DESCRIBE open"],
  ["reader", "SUMMARIZE open"],
  ["reader", "EXPLAIN SELECT * FROM open"],
  ["reader", "EXPLAIN ANALYZE SELECT * FROM open"],
  ["reader", "SELECT * FROM information_schema.tables"],
  ["reader", "SELECT * FROM duckdb_tables()"],
  ["reader", "SELECT current_setting('TimeZone'), version(), current_schema(), list_sort([2, 1])"],
  ["reader", "SET TimeZone = 'UTC'"],
  ["reader", "USE lake.main"],
  ["reader", "SET VARIABLE x = 1 + 1"],
  ["reader", "SET eider_read_consistency = 'strong'"],
  ["reader", "SELECT * FROM eider_buffers()"],
  ["reader", "PIVOT open ON a USING count(*)"],
  ["reader", "FROM (PIVOT open ON a IN (1) USING count(*))"],
  ["reader", "BEGIN"],
  ["reader", "ROLLBACK"],
  ["writer", "INSERT INTO open VALUES (1), (-2), (NULL)"],
  ["writer", "INSERT INTO open (a) SELECT a + 1 FROM open"],
  ["writer", "WITH x AS (SELECT 7 AS a) INSERT INTO open BY NAME FROM x"],
  ["writer", "INSERT INTO duckling_queue.open VALUES (5)"],
  ["writer", "UPDATE open AS o SET a = a + 1 WHERE a IS DISTINCT FROM 3"],
  ["writer", "UPDATE open SET a = CASE WHEN a > 1 THEN 0 ELSE a END FROM range(1) r(i) WHERE a = i"],
  ["writer", "DELETE FROM open USING range(1) r(i) WHERE a = i"],
  [
    "writer",
    "MERGE INTO open USING (SELECT 1 AS a) s ON open.a = s.a WHEN MATCHED AND CASE WHEN s.a > 1 THEN true ELSE false END THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
  ],
  ["writer", "CREATE TABLE made (id BIGINT PRIMARY KEY, d DECIMAL(10, 2) DEFAULT 1, s STRUCT(x INT))"],
  ["writer", "ALTER TABLE made ADD COLUMN note VARCHAR"],
  ["writer", "COMMENT ON TABLE made IS 'kept'"],
  ["writer", "CREATE VIEW seen AS SELECT * FROM open"],
  ["writer", "CREATE OR REPLACE TABLE made AS SELECT * FROM open WITH NO DATA"],
  ["writer", "CALL eider_set_primary_key('made', ['a'])"],
  ["writer", "CALL duckling_queue_flush('open')"],
  ["writer", "TRUNCATE made"],
  ["writer", "DROP VIEW seen"],
  ["writer", "DROP TABLE made"],
  ["everywhere", "SELECT * FROM vault.gold, open"],
  ["everywhere", "USE lake.vault"],
  ["everywhere", "SELECT * FROM gold"],
  ["admin", "SELECT * FROM __ducklake_metadata_lake.ducklake_snapshot"],
  ["admin", "SELECT * FROM lake.snapshots()"],
  ["admin", "SELECT * FROM duckdb_settings()"],
  ["admin", "CALL ducklake_expire_snapshots('lake', older_than => TIMESTAMP '2000-01-01')"],
  ["admin", "CREATE SCHEMA other"],
  ["admin", "DROP SCHEMA other"],
  ["admin", "CHECKPOINT"],
];

test.each(ALLOWED)("%s may: %s", async (user, sql) => {
  expect((await failureOf(clients[user], sql))?.message).toBeUndefined();
});

describe("queries over HTTP", () => {
  test("need credentials, and hold to the caller's roles", async () => {
    const strange = await fetch(`${eider.httpUrl}/query`, { method: "POST", body: '{"sql":"SELECT 1"}' });
    expect(strange.status).toBe(401);
    expect((await post("reader", "SELECT a FROM open")).status).toBe(200);
    expect(await (await post("everywhere", "SELECT a FROM vault.gold")).json()).toMatchObject({ rows: [[1]] });
    const refused = await post("reader", "SELECT a FROM vault.gold");
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: { code: "forbidden", message: expect.stringContaining("vault"), retryable: false } },
    ]);
  });

  test("can be files", async () => {
    const response = await post("reader", "SELECT a FROM open", { accept: "application/vnd.apache.parquet" });
    expect([
      response.status,
      Buffer.from(await response.arrayBuffer())
        .subarray(0, 4)
        .toString(),
    ]).toEqual([200, "PAR1"]);
  });

  test("are cancelled by their caller and by administrators", async () => {
    const endless = "SELECT count(*) FROM range(100000000000) t(i) WHERE sqrt(i) = 1.5";
    const cancel = async (user: keyof typeof clients) => {
      const headers = { authorization: `Bearer ${tokens[user]}` };
      return (await fetch(`${eider.httpUrl}/query/endless`, { method: "DELETE", headers })).status;
    };
    for (const owner of ["reader", "admin"] as const) {
      const answer = post("reader", endless, { "eider-query-id": "endless" });
      await expect
        .poll(async () => (await post("reader", "SELECT 1", { "eider-query-id": "endless" })).status, {
          timeout: 60_000,
        })
        .toBe(409);
      expect(await cancel("everywhere")).toBe(404);
      expect(await cancel(owner)).toBe(200);
      expect((await answer).status).toBe(499);
    }
  });
});
