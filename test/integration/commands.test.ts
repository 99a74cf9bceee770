import { execFile, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { tableFromIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { makeAuthority, signedBy, writePair } from "../support/certificates.ts";
import { freePort } from "../support/free-port.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs `bin/eider` as a process of its own, as a person does. */
function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array = "",
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      join(REPO, "bin", "eider"),
      [...args],
      { env: { ...process.env, ...env }, encoding: "buffer", maxBuffer: 2 ** 28 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr: String(stderr) }),
    );
    child.stdin?.end(input);
  });
}

test("query prints every format, of an argument, a file and standard input; flush commits", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600 } });
  await using dir = tempDir("commands");
  const env = { EIDER_URI: eider.flightUri };
  const made = await run(["query", "CREATE TABLE birds (id BIGINT PRIMARY KEY, name VARCHAR, mass DECIMAL(6,2))"], env);
  expect(made).toMatchObject({ code: 0 });
  const insert = "INSERT INTO duckling_queue.birds VALUES (1, 'eider', 2.10), (9007199254740993, 'a \"b\"', NULL)";
  expect(await run(["query"], env, insert)).toMatchObject({ code: 0, stderr: "2 rows changed\n" });
  const count = async (...args: string[]) =>
    String((await run(["query", ...args, "-o", "csv", "SELECT count(*) AS n FROM birds"], env)).stdout);
  expect(await count("--consistency", "eventual")).toBe("n\n0\n");
  expect(await count()).toBe("n\n2\n");
  expect(await run(["query", "--consistency", "weak", "SELECT 1"], env)).toMatchObject({ code: 78 });
  expect(await run(["query", " "], env)).toMatchObject({ code: 78, stderr: expect.stringContaining("no SQL to run") });
  expect(await run(["query"], env, insert)).toMatchObject({ code: 0 });
  expect(await run(["flush", "main.birds"], env)).toMatchObject({ code: 0 });
  expect(eider.logs).toMatch(/"table":"main.birds","reason":"command",.*"rowsInserted":2,.*"msg":"flushed"/);
  const sql = "SELECT * FROM birds ORDER BY id";
  const file = join(dir.path, "birds.sql");
  writeFileSync(file, sql);
  const printed = async (format: string, ...args: string[]) =>
    (await run(["query", ...args, "-o", format], env)).stdout;
  expect(String(await printed("csv", "--file", file))).toBe(
    'id,name,mass\n1,eider,2.10\n9007199254740993,"a ""b""",\n',
  );
  expect(String(await printed("ndjson", sql))).toBe(
    '{"id":1,"name":"eider","mass":2.10}\n{"id":"9007199254740993","name":"a \\"b\\"","mass":null}\n',
  );
  expect(JSON.parse(String(await printed("json", sql)))).toHaveLength(2);
  expect(String(await printed("json", `${sql} LIMIT 0`))).toBe("[]\n");
  expect(
    tableFromIPC(await printed("arrow", sql))
      .getChild("name")
      ?.toArray(),
  ).toEqual(["eider", 'a "b"']);
  const parquet = join(dir.path, "birds.parquet");
  writeFileSync(parquet, await printed("parquet", `SELECT *, 1::HUGEINT AS h, name FROM (${sql})`));
  const read = `SELECT id, name, mass, h, name_1 FROM read_parquet('${parquet}')`;
  expect(String(await printed("csv", read))).toBe(
    'id,name,mass,h,name_1\n1,eider,2.10,1,eider\n9007199254740993,"a ""b""",,1,"a ""b"""\n',
  );
  const table = String((await run(["query", sql], env)).stdout);
  expect(table).toContain("               1  eider  2.10");
  expect(table).toContain("(2 rows)");
});

test("query prints intervals and times of every year as HTTP does, and takes SQL in UTF-8 alone, comments before it", async () => {
  await using eider = await startEider();
  await using dir = tempDir("query-values");
  const env = { EIDER_URI: eider.flightUri };
  const days = ["0044-03-15 (BC)", "0001-01-01 (BC)", "0004-02-29", "1582-10-15", "1900-03-01", "12000-02-29"];
  const far = ["5877642-06-25 (BC)", "5881580-07-10", "infinity"];
  const values = [
    ...["1 year 1 day", "14 months -1 day", "-1 month -2 days -3.5 seconds", "100 hours"].map(
      (text) => `INTERVAL '${text}'`,
    ),
    ...[...days, ...far].map((text) => `DATE '${text}'`),
    ...days.map((text) => `TIMESTAMP '${text} 23:59:59.000001'`),
    ...days.map((text) => `TIMESTAMPTZ '${text} 01:02:03+00'`),
    "TIMESTAMP '290309-12-22 (BC) 00:00:00'",
    "TIMESTAMP_S '294247-01-10 04:00:54'",
    "TIMESTAMP_NS '1969-12-31 23:59:59.000000001'",
    "TIME '24:00:00'",
    "TIME_NS '01:02:03.123456789'",
  ];
  const sql = `-- of every kind\nSELECT ${values.map((value, i) => `${value} AS c${i}`).join(", ")}`;
  const accept = "application/x-ndjson";
  const body = JSON.stringify({ sql });
  const response = await fetch(`${eider.httpUrl}/query`, { method: "POST", headers: { accept }, body });
  const told = await response.text();
  expect(String((await run(["query", "-o", "ndjson", sql], env)).stdout)).toBe(told);
  for (const day of [...days, ...far]) expect(told).toContain(`"${day}"`);
  const commented = await run(["query", "-o", "csv", "--of one kind\nSELECT 1 = 1 AS one"], env);
  expect([commented.stderr, String(commented.stdout)]).toEqual(["", "one\ntrue\n"]);
  const latin1 = Buffer.from("SELECT 'M\u00fcller'", "latin1");
  const file = join(dir.path, "latin1.sql");
  writeFileSync(file, latin1);
  for (const refused of [await run(["query", "-f", file], env), await run(["query"], env, latin1)]) {
    expect(refused).toMatchObject({ code: 78, stderr: expect.stringContaining("is not UTF-8") });
  }
});

test("a person at a terminal gets a pager, and none for a pipe", async () => {
  await using eider = await startEider();
  const shown = async (pager: string) => {
    const command = `${join(REPO, "bin", "eider")} query "SELECT 7 AS seven"`;
    const env = { ...process.env, EIDER_URI: eider.flightUri, PAGER: pager };
    const { stdout } = await promisify(execFile)("script", ["-qec", command, "/dev/null"], { env });
    // Of a progress line, which a slow machine has time for, a terminal shows nothing in the end.
    return stdout
      .replaceAll(/[^\n]*\r(?!\r?\n)/g, "")
      .replaceAll("\r", "")
      .replaceAll("\x1b[K", "");
  };
  expect(await shown("sed s/^/paged:/")).toMatch(/^paged:seven$/m);
  expect(await shown("cat")).toMatch(/^seven$/m);
  expect(await shown("no-such-pager -x")).toMatch(/^seven$/m);
  const piped = await run(["query", "SELECT 7 AS seven"], { EIDER_URI: eider.flightUri, PAGER: "sed s/^/paged:/" });
  expect(String(piped.stdout)).toMatch(/^seven$/m);
});

test("signs in by password and token, over TLS; 77 when it is not let in", async () => {
  await using dir = tempDir("commands-tls");
  const authority = await makeAuthority("test");
  const server = writePair(dir.path, "server", await signedBy(authority, "server"));
  const ca = join(dir.path, "ca.pem");
  writeFileSync(ca, authority.cert);
  const users = join(dir.path, "users.yaml");
  const added = ["user", "add", "ada", "--users-file", users, "--role", "read"];
  expect(await run(added, {}, "correct horse")).toMatchObject({ code: 0 });
  const { stdout } = await run(["user", "add", "loader", "--users-file", users, "--role", "write", "--token"], {});
  const settings = { usersFile: users, tlsCertFile: server.cert, tlsKeyFile: server.key };
  await using eider = await startEider({ settings });
  const env = { EIDER_URI: eider.flightUri, EIDER_TLS_CA: ca };
  const made = await run(["query", "CREATE TABLE t AS SELECT 1 AS id"], { ...env, EIDER_TOKEN: String(stdout).trim() });
  expect(made).toMatchObject({ code: 0, stderr: expect.any(String) });
  const asAda = { ...env, EIDER_USER: "ada", EIDER_PASSWORD: "correct horse" };
  const args = ["query", "-o", "csv", "SELECT * FROM t"];
  expect(String((await run(args, asAda)).stdout)).toBe("id\n1\n");
  expect((await run(["query", "DROP TABLE t"], asAda)).code).toBe(77);
  expect((await run(args, { ...asAda, EIDER_PASSWORD: "wrong" })).code).toBe(77);
  expect((await run(args, env)).stderr).toContain("Sign in by --user");
  // Without the authority nobody can be sure whose certificate that is.
  expect((await run(args, { ...asAda, EIDER_TLS_CA: "" })).code).toBe(69);
  expect((await run([...args, "--tls-skip-verify"], { ...asAda, EIDER_TLS_CA: "" })).code).toBe(0);
  // By the server's address, for which Node has a warning of its own.
  expect((await run(args, asAda)).stderr).toBe("");
  const withoutKey = await run([...args, "--tls-cert", server.cert], asAda);
  expect([withoutKey.code, withoutKey.stderr]).toEqual([78, expect.stringContaining("--tls-key")]);
  const otherKey = writePair(dir.path, "other", await signedBy(authority, "other")).key;
  expect((await run([...args, "--tls-cert", server.cert, "--tls-key", otherKey], asAda)).code).toBe(78);
});

/** By pyarrow: a column `d`, decimal256(60, 2), with 1.50. */
const WIDE_DECIMAL =
  "UEFSMRUAFUAVQCwVAhUAFQYVBhwAAAACAAAAAgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAlhUEGSw1ABgGc2NoZW1hFQIAFQ4VNBUCGAFkJQ" +
  "oVBBV4LFwVBBV4AAAAFgIZHBkcJgAcFQ4ZJQYAGRgBZBUAFgIWZhZmJghJHBUAFQAVAgA8KQYZJgACAAAAFmYWAiYIFmYAKCBwYXJxdWV0LWNw" +
  "cC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRkcHAAAAIoAAABQQVIx";

const DATA = join(REPO, "node_modules", "vega-datasets", "data");

test("ingest stores each kind of file, and a run that is repeated stores nothing twice; status shows what waits", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600, bufferMaxRows: 10_000_000 } });
  const env = { EIDER_URI: eider.flightUri };
  const files = { flights: "flights-200k.arrow", airports: "airports.csv", cars: "cars.json", stocks: "stocks.c*v" };
  const waiting = async () => {
    const { stdout } = await run(["status", "--json"], env);
    const { buffers } = JSON.parse(String(stdout)) as { buffers: Array<{ table: string; rows: number }> };
    return Object.fromEntries(buffers.map(({ table, rows }) => [table, rows]));
  };
  const expected = { "main.flights": 200_000, "main.airports": 3376, "main.cars": 406, "main.stocks": 560 };
  for (let i = 0; i < 2; i++) {
    for (const [table, file] of Object.entries(files)) {
      const { code, stderr } = await run(["ingest", join(DATA, file), "--table", table], env);
      expect([code, stderr]).toEqual([0, expect.stringContaining(`${table}: `)]);
    }
    expect(await waiting()).toEqual(expected);
  }
  expect(await run(["ingest", join(DATA, "cars.json"), "--table", "cars", "--again"], env)).toMatchObject({ code: 0 });
  expect(await waiting()).toEqual({ ...expected, "main.cars": 812 });
  const parquet = join(DATA, "flights-3m.parquet");
  expect((await run(["ingest", parquet, "--table", "delays"], env)).stderr).toContain("delays: 3,000,000 rows");
  expect(String((await run(["status"], env)).stdout)).toMatch(/^main\.delays +\d+/m);
  expect((await run(["flush"], env)).code).toBe(0);
  const count = "SELECT count(*) AS n FROM delays";
  expect(String((await run(["query", "-o", "csv", count], env)).stdout)).toBe("n\n3000000\n");
  expect(await run(["ingest", join(DATA, "nothing-*.csv"), "--table", "t"], env)).toMatchObject({ code: 1 });
  expect(await run(["ingest", join(DATA, "7zip.png"), "--table", "t"], env)).toMatchObject({ code: 78 });
});

test("ingest reads Arrow files that are compressed, and says what is wrong with others", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600 } });
  await using dir = tempDir("ingest-arrow");
  const env = { EIDER_URI: eider.flightUri };
  const fixture = (name: string) => join(REPO, "test", "fixtures", "arrow", `${name}.arrow`);
  const files = ["primitives", "texts", "nested"];
  for (const file of files) {
    for (const name of [file, `${file}-lz4`, `${file}-zstd`]) {
      const ingested = await run(["ingest", fixture(name), "-t", name.replace("-", "_")], env);
      expect([name, ingested.stderr, ingested.code]).toEqual([name, expect.stringContaining("of 1 file"), 0]);
    }
    for (const packed of [`${file}_lz4`, `${file}_zstd`]) {
      // The compressed ones have each row 40 times.
      const sql = `SELECT count(*) = 8 AS "all", (SELECT count(*) FROM (FROM ${packed} EXCEPT ALL
        SELECT t.* FROM ${file} t, range(40))) AS others FROM (FROM ${packed} INTERSECT ALL FROM ${file})`;
      const compared = await run(["query", "-o", "csv", sql], env);
      expect([packed, String(compared.stdout)]).toEqual([packed, "all,others\ntrue,0\n"]);
    }
  }
  const whole = readFileSync(fixture("texts-lz4"));
  const broken = { "cut.arrow": whole.subarray(0, whole.length / 2), "text.arrow": Buffer.from("id,name\n1,eider\n") };
  for (const [name, bytes] of Object.entries(broken)) {
    const path = join(dir.path, name);
    writeFileSync(path, bytes);
    const { code, stderr } = await run(["ingest", path, "-t", "broken"], env);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`${path} cannot be read as Arrow's file or stream format`),
    ]);
    expect(stderr).toContain("None of its rows are stored");
  }
});

test("ingest reads text by the types of the table that is there, and says where a value does not fit", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600 } });
  await using dir = tempDir("ingest-typed");
  const env = { EIDER_URI: eider.flightUri };
  const file = (name: string, text: string) => {
    writeFileSync(join(dir.path, name), text);
    return join(dir.path, name);
  };
  const columns =
    "id DECIMAL(38,0), price DECIMAL(10,2), zip VARCHAR, day DATE, made TIMESTAMPTZ, ok BOOLEAN, key UUID";
  expect(await run(["query", `CREATE TABLE orders (${columns}, size SMALLINT)`], env)).toMatchObject({ code: 0 });
  const id = "12345678901234567890123";
  const key = "6f1b2a3c-0000-4000-8000-000000000001";
  const head = "id,price,zip,day,made,ok,key,size\n";
  const csv = file("a.csv", `${head}${id},12.50,12345,2026-01-02,2026-01-02 10:00:00,true,${key},7\n1,,1234,,,,,\n`);
  const [price, made] = ["12.5", "2026-01-02T12:00:00+02:00"];
  const json = file(
    "b.json",
    `[{"id":"${id}","price":${price},"zip":"01234","day":"2026-01-02","made":"${made}","ok":true,"key":"${key}","size":7.0}]`,
  );
  for (const path of [csv, json])
    expect(await run(["ingest", path, "--table", "orders"], env)).toMatchObject({
      code: 0,
      stderr: expect.any(String),
    });
  const stored = await run(["query", "-o", "csv", "SELECT * FROM orders ORDER BY zip"], env);
  const values = `,2026-01-02,2026-01-02T10:00:00Z,true,${key},7`;
  expect(String(stored.stdout)).toBe(`${head}${id},12.50,01234${values}\n1,,1234,,,,,\n${id},12.50,12345${values}\n`);
  const refused: ReadonlyArray<readonly [string, string, string]> = [
    [
      "c.csv",
      'price,note\n1.5,x\n12.505,"a\nb"\n',
      'c.csv, line 4 (row 2), column "price": 12.505 does not fit DECIMAL(10,2)',
    ],
    ["d.csv", "size\n1\n70000\n", 'd.csv, line 3 (row 2), column "size": 70000 does not fit SMALLINT'],
    ["e.csv", "day\n2026-01-02 10:00:00\n", 'column "day": 2026-01-02 10:00:00 does not fit DATE'],
    ["f.json", '{"zip":"1"}\n{"size":1.5}\n', 'f.json, row 2, column "size": 1.5 does not fit SMALLINT'],
    ["g.json", '{"id":12345678901234567890.0}\n', 'column "id": 12345678901234567000.0 does not fit DECIMAL(38,0)'],
  ];
  for (const [name, text, message] of refused) {
    const { code, stderr } = await run(["ingest", file(name, text), "--table", "orders"], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`${message} unchanged`)]);
    expect(stderr).toContain("None of its rows are stored");
  }
});

test("ingest reads JSON whose keys differ by case alone", async () => {
  await using eider = await startEider();
  await using dir = tempDir("ingest-json");
  const env = { EIDER_URI: eider.flightUri };
  const path = join(dir.path, "cases.json");
  writeFileSync(path, '{"a":1,"A":2}\n{"a":3,"A":4}\n');
  await run(["query", "CREATE TABLE typed (a BIGINT, A_1 DECIMAL(6,2))"], env);
  for (const table of ["sniffed", "typed"])
    expect(await run(["ingest", path, "-t", table], env)).toMatchObject({ code: 0 });
  const sql = "SELECT s.a, s.A_1, t.A_1::INT AS typed FROM sniffed s JOIN typed t USING (a) ORDER BY a";
  expect(String((await run(["query", "-o", "csv", sql], env)).stdout)).toBe("a,A_1,typed\n1,2,2\n3,4,4\n");
});

test("ingest reads JSON keys without a name, tells of lines that it leaves out, and refuses decimals that DuckDB misreads", async () => {
  await using eider = await startEider();
  await using dir = tempDir("ingest-odd");
  const env = { EIDER_URI: eider.flightUri };
  const file = (name: string, bytes: string | Uint8Array) => {
    writeFileSync(join(dir.path, name), bytes);
    return join(dir.path, name);
  };
  const unnamed = file("unnamed.ndjson", '{"b":2,"":1,"C2":3}\n{"":4}\n');
  await run(["query", "CREATE TABLE typed (b DECIMAL(4,1), C1 INTEGER, C2 DECIMAL(20,1))"], env);
  for (const table of ["sniffed", "typed"]) {
    expect(await run(["ingest", unnamed, "-t", table], env)).toMatchObject({ code: 0 });
    const { stdout } = await run(["query", "-o", "csv", `SELECT b::INT AS b, C1, C2::INT AS C2 FROM ${table}`], env);
    expect([table, String(stdout)]).toEqual([table, "b,C1,C2\n2,1,3\n,4,\n"]);
  }
  const ragged = file("ragged.csv", "id,name\n1,a\n2\n3,c,d\n");
  const whole = file("whole.csv", "id,name\n1,a\n");
  const said = async (path: string) => (await run(["ingest", path, "-t", "lines"], env)).stderr;
  expect(await said(ragged)).toContain(`${ragged}: lines 1 to 3 are left out`);
  expect(await said(whole)).not.toContain("left out");
  const wide = await run(["ingest", file("wide.parquet", Buffer.from(WIDE_DECIMAL, "base64")), "-t", "wide"], env);
  expect([wide.code, wide.stderr]).toEqual([1, expect.stringContaining('column "d": a decimal of 60 digits')]);
});

test("ingest says in its own words what is wrong with a file of text, a folder and a name", async () => {
  await using eider = await startEider();
  await using dir = tempDir("ingest-wrong");
  const env = { EIDER_URI: eider.flightUri };
  const late = Array.from({ length: 30_000 }, (_, i) => i).join("\n");
  const refused: ReadonlyArray<readonly [name: string, bytes: string | Uint8Array, message: string]> = [
    ["latin1.csv", Buffer.from("id,name\n1,M\u00fcller\n", "latin1"), "convert it first, say by iconv"],
    ["late.csv", `id\n${late}\nabc\n`, "CSV Error on Line: 30002"],
    ["late.csv", `id\n${late}\nabc\n`, "CREATE TABLE first"],
    ["cut.json", '{"a":1}\n{"a":', "unexpected end of data"],
    ["twice.ndjson", '{"a":1,"a":2}\n', 'has duplicate key "a"'],
  ];
  for (const [name, bytes, message] of refused) {
    const path = join(dir.path, name);
    writeFileSync(path, bytes);
    const { code, stderr } = await run(["ingest", path, "-t", "wrong"], env);
    expect([name, code, stderr]).toEqual([name, 1, expect.stringContaining(message)]);
    expect(stderr).toContain(path);
    // Of DuckDB's readers, which are not called by hand here.
    expect(stderr).not.toMatch(/ignore_errors|encoding=|sample_size|LINE 1|Set By User/);
  }
  const folder = await run(["ingest", dir.path, "-t", "wrong"], env);
  expect([folder.code, folder.stderr]).toEqual([1, expect.stringContaining(`${dir.path} is a folder`)]);
  const hash = join(dir.path, "a#1?.csv");
  writeFileSync(hash, "id\n1\n");
  expect(await run(["ingest", hash, "-t", "named"], env)).toMatchObject({ code: 0 });
});

test("ingest reads JSON as it is: lists, structs and times with offsets beside columns that the table types", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600 } });
  await using dir = tempDir("ingest-json");
  const env = { EIDER_URI: eider.flightUri };
  const path = join(dir.path, "trips.json");
  const made = "2026-01-02T12:00:00+02:00";
  writeFileSync(
    path,
    JSON.stringify([
      { n: 1, made, day: "25-12-2025", trip: { made, birds: [1, 2] } },
      { n: 2, trip: { birds: [] } },
    ]),
  );
  const sql = "SELECT n, made, day, trip.made AS inner_made, trip.birds AS birds FROM trips ORDER BY n";
  const stored: string[] = [];
  // The first run makes the table from the file; the second fills one whose n is narrower than what is sniffed.
  for (const before of [
    [],
    [
      "DROP TABLE trips",
      "CREATE TABLE trips (n SMALLINT, made TIMESTAMP, day DATE, trip STRUCT(made TIMESTAMP, birds BIGINT[]))",
    ],
  ]) {
    for (const statement of before) expect(await run(["query", statement], env)).toMatchObject({ code: 0 });
    expect(await run(["ingest", path, "--table", "trips"], env)).toMatchObject({ code: 0, stderr: expect.any(String) });
    stored.push(String((await run(["query", "-o", "csv", sql], env)).stdout));
  }
  expect(stored[0]).toContain("1,2026-01-02T10:00:00,2025-12-25,2026-01-02T10:00:00,");
  expect(stored[1]).toBe(stored[0]);
});

test("ingest of text goes on where it stopped, also when a column's type has changed since", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600 } });
  await using dir = tempDir("ingest-resumed");
  const env = { EIDER_URI: eider.flightUri };
  const path = join(dir.path, "ids.csv");
  const ids = Array.from({ length: 600_000 }, (_, i) => (i === 500_000 ? 3_000_000_000 : i));
  writeFileSync(path, `id,cents\n${ids.map((id) => `${id},0.25`).join("\n")}\n`);
  await run(["query", "CREATE TABLE ids (id INTEGER, cents DECIMAL(4,2))"], env);
  const first = await run(["ingest", path, "--table", "ids"], env);
  expect(first).toMatchObject({ code: 1, stderr: expect.stringContaining("line 500002 (row 500001)") });
  const stored = Number(/first (\d+) rows/.exec(first.stderr)?.[1]);
  expect(stored).toBeGreaterThan(0);
  const widened = ["query", "ALTER TABLE ids ALTER COLUMN id SET DATA TYPE BIGINT"];
  expect(await run(widened, env)).toMatchObject({ code: 0 });
  for (let i = 0; i < 2; i++) expect(await run(["ingest", path, "--table", "ids"], env)).toMatchObject({ code: 0 });
  const figures = "SELECT count(*) AS n, count(DISTINCT id) AS ids, max(id) AS top, sum(cents) AS sum FROM ids";
  const { stdout } = await run(["query", "-o", "csv", figures], env);
  expect(String(stdout)).toBe("n,ids,top,sum\n600000,600000,3000000000,150000.00\n");
});

test("ingest of text into DECIMAL goes on after SIGKILL half-way", async () => {
  await using eider = await startEider({ settings: { bufferMaxAgeSeconds: 3600, bufferMaxRows: 10_000_000 } });
  await using dir = tempDir("ingest-killed");
  const env = { EIDER_URI: eider.flightUri };
  const path = join(dir.path, "prices.csv");
  const count = 1_000_000;
  writeFileSync(path, `id,price\n${Array.from({ length: count }, (_, i) => `${i},${i}.50`).join("\n")}\n`);
  await run(["query", "CREATE TABLE prices (id BIGINT, price DECIMAL(12,2))"], env);
  const args = ["ingest", path, "--table", "prices"];
  const child = spawn(join(REPO, "bin", "eider"), args, { env: { ...process.env, ...env }, stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("exit", (_code, signal) => resolve(signal)));
  const waiting = async () => {
    const response = await fetch(`${eider.httpUrl}/metrics`);
    return Number(/^eider_ingest_rows_total\{table="main.prices",[^}]*\} (\d+)/m.exec(await response.text())?.[1] ?? 0);
  };
  await expect.poll(waiting, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0);
  child.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
  expect(await waiting()).toBeLessThan(count);
  expect(await run(args, env)).toMatchObject({ code: 0 });
  const figures = "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(price - id) AS halves FROM prices";
  const { stdout } = await run(["query", "-o", "csv", figures], env);
  expect(String(stdout)).toBe(`n,ids,halves\n${count},${count},500000.00\n`);
});

test("a reader that has enough ends the query with 0", async () => {
  await using eider = await startEider();
  const args = ["query", "--uri", eider.flightUri, "-o", "csv", "SELECT i FROM range(1000000000) t(i)"];
  const child = spawn(join(REPO, "bin", "eider"), args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  child.stdout.once("data", () => child.stdout.destroy());
  expect(await ended).toBe(0);
});

test("errors say what to do, and exit codes tell them apart", async () => {
  await using eider = await startEider();
  const nobody = await run(["query", "SELECT 1"], { EIDER_URI: `grpc://127.0.0.1:${await freePort()}` });
  expect(nobody.code).toBe(69);
  expect(nobody.stderr).toMatch(/no answer from grpc:.*\n.*eider serve.*--uri/);
  const env = { EIDER_URI: eider.flightUri };
  const wrong = await run(["query", "SELEC 1"], env);
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("syntax error")]);
  expect(await run(["query", "-o", "xml", "SELECT 1"], env)).toMatchObject({ code: 78 });
  expect(await run(["query", "SELECT 1"], { EIDER_URI: "http://here" })).toMatchObject({ code: 78 });
});

test("completion knows the commands and their flags", async () => {
  const { stdout } = await run(["completion", "bash"], {});
  const asked = `COMP_WORDS=(eider query --fo); COMP_CWORD=2; _eider; echo "\${COMPREPLY[@]}"`;
  const { words } = await new Promise<{ words: string }>((resolve, reject) => {
    execFile("bash", ["-c", `${stdout}\n${asked}`], (error, words) => (error ? reject(error) : resolve({ words })));
  });
  expect(words.trim()).toBe("--format");
});
