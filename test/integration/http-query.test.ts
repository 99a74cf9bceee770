import { once } from "node:events";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Status } from "../../src/observe/status.ts";
import { runPython } from "../support/python.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

const ENDLESS = "SELECT count(*) FROM range(100000000000) t(i) WHERE sqrt(i) = 1.5";
/** Fails in a row that comes long after the first ones are sent. */
const FAILS_LATE = `SELECT i, repeat('x', 20) AS text,
  CASE WHEN i = 990000 THEN error('row 990000 is broken') END AS e FROM range(1000000) t(i)`;

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider({
    settings: { bufferMaxAgeSeconds: 3600, queryTimeoutSeconds: 120, poolMax: 3, poolIdle: 1 },
  });
  await runPython(
    `
import json, sys
import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow
with flight_sql.connect(json.load(sys.stdin), autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE numbers AS SELECT range AS id, 'n' || range AS name FROM range(50000)")
        cursor.adbc_ingest("waiting", pyarrow.table({"id": [1, 2, 3]}), mode="create")
print("null")`,
    eider.flightUri,
  );
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

interface Posted {
  readonly accept?: string;
  readonly id?: string;
  readonly signal?: AbortSignal;
}

function post(body: unknown, { accept, id, signal }: Posted = {}): Promise<Response> {
  return fetch(`${eider.httpUrl}/query`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: {
      ...(accept === undefined ? {} : { accept }),
      ...(id === undefined ? {} : { "eider-query-id": id }),
    },
    ...(signal ? { signal } : {}),
  });
}

async function answerTo(body: unknown, options: Posted = {}): Promise<{ status: number; body: unknown }> {
  const response = await post(body, options);
  return { status: response.status, body: await response.json() };
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

describe("POST /query", () => {
  test("answers with columns, rows and counts, and an id", async () => {
    const response = await post({ sql: "SELECT id, name FROM numbers WHERE id < 2 ORDER BY id" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("eider-query-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await response.json()).toEqual({
      columns: ["id", "name"],
      rows: [
        [0, "n0"],
        [1, "n1"],
      ],
      row_count: 2,
      execution_time_ms: expect.any(Number),
    });
  });

  test("gives 1000 rows, `limit` of them, from `offset` on", async () => {
    const sql = "SELECT id FROM numbers ORDER BY id";
    const rowsOf = async (page: object) => {
      const { body } = await answerTo({ sql, ...page });
      const { rows, row_count } = body as { rows: [number][]; row_count: number };
      expect(rows).toHaveLength(row_count);
      return [rows.length, rows[0]?.[0], rows.at(-1)?.[0]];
    };
    expect(await rowsOf({})).toEqual([1000, 0, 999]);
    expect(await rowsOf({ limit: 10_000 })).toEqual([10_000, 0, 9999]);
    expect(await rowsOf({ limit: 3000, offset: 47_500 })).toEqual([2500, 47_500, 49_999]);
    expect(await rowsOf({ limit: 1, offset: 2047 })).toEqual([1, 2047, 2047]);
    expect(await rowsOf({ limit: 0 })).toEqual([0, undefined, undefined]);
    expect(await rowsOf({ offset: 50_000 })).toEqual([0, undefined, undefined]);
  });

  test("a page of an endless result comes at once", async () => {
    const { body } = await answerTo({ sql: "SELECT i FROM range(100000000000) t(i)", limit: 2, offset: 5000 });
    expect(body).toMatchObject({ rows: [[5000], [5001]] });
  });

  test.each([
    ["", "must be a JSON object"],
    ["{", "not JSON"],
    [{ sql: 7 }, "`sql`: must be a text"],
    [{ sql: "" }, "`sql`: must not be empty"],
    [{ sql: "SELECT 1", limit: 10_001 }, "`limit` is at most 10000"],
    [{ sql: "SELECT 1", limit: -1 }, "`limit`"],
    [{ sql: "SELECT 1", limit: 1.5 }, "`limit`"],
    [{ sql: "SELECT 1", ofset: 1 }, "unknown field `ofset`"],
    [{ sql: "SELECT 1", consistency: "weak" }, "`consistency`"],
  ])("refuses %j", async (body, message) => {
    const answer = await answerTo(body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "request_invalid" } } });
    expect(JSON.stringify(answer.body)).toContain(message);
  });

  test.each([
    ["DELETE FROM numbers", 400, "not_a_read"],
    ["EXPLAIN ANALYZE DELETE FROM numbers", 400, "not_a_read"],
    ["SELECT 1; SELECT 2", 400, "not_a_read"],
    ["SELEC 1", 400, "sql_invalid"],
    ["SELECT * FROM missing", 404, "table_not_found"],
    ["SELECT 'x'::INTEGER", 400, "sql_invalid"],
    ["SELECT ?", 400, "sql_invalid"],
  ])("answers %s with %i", async (sql, status, code) => {
    expect(await answerTo({ sql })).toMatchObject({ status, body: { error: { code, retryable: false } } });
  });

  test("sees waiting rows when it asks for strong consistency", async () => {
    const sql = "SELECT count(*) FROM waiting";
    expect(await answerTo({ sql })).toMatchObject({ body: { rows: [[0]] } });
    expect(await answerTo({ sql, consistency: "strong" })).toMatchObject({ body: { rows: [[3]] } });
  });

  test("knows Eider's own tables", async () => {
    const { body } = await answerTo({ sql: "SELECT table_name FROM eider_buffers()" });
    expect(body).toMatchObject({ rows: [["waiting"]] });
  });

  test("a page of another site is refused", async () => {
    const response = await fetch(`${eider.httpUrl}/query`, {
      method: "POST",
      body: '{"sql":"SELECT 1"}',
      headers: { "sec-fetch-site": "cross-site" },
    });
    expect(response.status).toBe(403);
  });
});

describe("formats", () => {
  test("NDJSON and CSV hold all rows", async () => {
    const sql = "SELECT id, name FROM numbers ORDER BY id";
    const lines = (await (await post({ sql }, { accept: "application/x-ndjson" })).text()).trimEnd().split("\n");
    expect(lines).toHaveLength(50_000);
    expect(JSON.parse(lines.at(-1) ?? "")).toEqual({ id: 49_999, name: "n49999" });
    const response = await post({ sql, limit: 2, offset: 1 }, { accept: "text/csv" });
    expect(response.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(await response.text()).toBe("id,name\n1,n1\n2,n2\n");
  });

  test("Arrow and Parquet are what pyarrow reads, exact", async () => {
    const sql = "SELECT id, sum(id) OVER () AS total, name AS id FROM numbers ORDER BY numbers.id";
    const read = (accept: string, reader: string) =>
      runPython<{ names: string[]; rows: number; last: unknown[] }>(
        `
import io, json, sys, urllib.request
import pyarrow.ipc, pyarrow.parquet
url, sql, accept = json.load(sys.stdin)
request = urllib.request.Request(url + "/query", json.dumps({"sql": sql, "offset": 10}).encode(), {"Accept": accept})
body = urllib.request.urlopen(request).read()
table = ${reader}
print(json.dumps({"names": table.column_names, "rows": table.num_rows, "last": [str(c[-1]) for c in table.columns]}))`,
        [eider.httpUrl, sql, accept],
      );
    const last = ["49999", "1249975000", "n49999"];
    expect(await read("application/vnd.apache.arrow.stream", "pyarrow.ipc.open_stream(body).read_all()")).toEqual({
      names: ["id", "total", "id"],
      rows: 49_990,
      last,
    });
    expect(await read("application/vnd.apache.parquet", "pyarrow.parquet.read_table(io.BytesIO(body))")).toEqual({
      names: ["id", "total", "id_1"],
      rows: 49_990,
      last,
    });
  });

  test("a format that there is not", async () => {
    expect(await answerTo({ sql: "SELECT 1" }, { accept: "application/xml" })).toMatchObject({
      status: 406,
      body: { error: { code: "not_acceptable" } },
    });
    const sql = `SELECT ${"1".repeat(39)}::HUGEINT AS h`;
    const beyond = await answerTo({ sql }, { accept: "application/vnd.apache.parquet" });
    expect(beyond).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringMatching(/column "h": 1{39} is/) } },
    });
    expect(JSON.stringify(beyond.body)).not.toContain("COPY");
    expect(await answerTo({ sql: "EXPLAIN SELECT 1" }, { accept: "application/vnd.apache.parquet" })).toMatchObject({
      status: 400,
      body: { error: { code: "request_invalid" } },
    });
  });

  test.each(["application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"])(
    "%s: a failure after the first rows cuts the connection",
    async (accept) => {
      const response = await post({ sql: FAILS_LATE }, { accept });
      expect(response.status).toBe(200);
      let text = "";
      const decoder = new TextDecoder("latin1");
      await expect(
        (async () => {
          for await (const piece of response.body ?? []) text = (text + decoder.decode(piece)).slice(-1000);
        })(),
      ).rejects.toThrow(/terminated/);
      expect(text).not.toBe("");
      if (accept !== "application/x-ndjson") return;
      expect(JSON.parse(text.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
        error: { code: "sql_invalid", message: expect.stringContaining("row 990000 is broken") },
      });
    },
  );

  test("a failure of a JSON answer has its own status", async () => {
    const { status, body } = await answerTo({ sql: FAILS_LATE, offset: 989_990 });
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain("row 990000 is broken");
  });
});

describe("ending a query", () => {
  const isRunning = async (id: string) => {
    // The server knows the id as long as the query runs.
    const { status } = await answerTo({ sql: "SELECT 1" }, { id });
    return status === 409;
  };

  test("by its id", async () => {
    const answer = answerTo({ sql: ENDLESS }, { id: "mine" });
    await expect.poll(() => isRunning("mine"), { timeout: 60_000 }).toBe(true);
    const cancelled = await fetch(`${eider.httpUrl}/query/mine`, { method: "DELETE" });
    expect(await cancelled.json()).toEqual({ status: "ok", cancelled: "mine" });
    expect(await answer).toMatchObject({ status: 499, body: { error: { code: "cancelled" } } });
    const again = await fetch(`${eider.httpUrl}/query/mine`, { method: "DELETE" });
    expect(again.status).toBe(404);
  });

  test("of Flight, by the id that the status has", async () => {
    const answer = runPython<string>(
      `
import json, sys
import adbc_driver_flightsql.dbapi as flight_sql
uri, sql = json.load(sys.stdin)
with flight_sql.connect(uri, autocommit=True) as connection:
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql)
            cursor.fetchall()
            print(json.dumps("it ended"))
        except Exception as error:
            print(json.dumps(str(error)))`,
      [eider.flightUri, ENDLESS],
    );
    const running = async () => {
      const { queries } = (await (await fetch(`${eider.httpUrl}/status.json`)).json()) as Status;
      return queries.running.find(({ via }) => via === "flight")?.id;
    };
    await expect.poll(running, { timeout: 60_000 }).toMatch(/^[0-9a-f-]{36}$/);
    const { status } = await fetch(`${eider.httpUrl}/query/${await running()}`, { method: "DELETE" });
    expect(status).toBe(200);
    expect(await answer).toMatch(/cancel/i);
    await expect.poll(running, { timeout: 60_000 }).toBeUndefined();
  });

  test("by closing the connection, before and after the first rows", async () => {
    for (const sql of [ENDLESS, "SELECT i, repeat('x', 1000) FROM range(100000000000) t(i)"]) {
      const gone = new AbortController();
      const call = post({ sql }, { id: "closing", accept: "application/x-ndjson", signal: gone.signal });
      if (sql === ENDLESS) await expect.poll(() => isRunning("closing"), { timeout: 60_000 }).toBe(true);
      else await call;
      gone.abort();
      await call.catch(() => undefined);
      await expect.poll(() => isRunning("closing"), { timeout: 60_000 }).toBe(false);
    }
    await expect.poll(() => metric('eider_pool_connections{state="busy"}')).toBe(0);
  });

  test("by the timeout, also when its reader has stopped reading", async () => {
    await using quick = await startEider({ settings: { queryTimeoutSeconds: 1 } });
    const call = (sql: string, accept = "application/json") => {
      const sent = request(`${quick.httpUrl}/query`, { method: "POST", headers: { accept } });
      sent.end(JSON.stringify({ sql }));
      return once(sent, "response").then(([response]) => response);
    };
    expect((await call(ENDLESS)).statusCode).toBe(504);
    const stalled = await call("SELECT i, repeat('x', 1000) FROM range(100000000000) t(i)", "text/csv");
    stalled.on("error", () => undefined);
    const running = async () =>
      /eider_queries_running (\d+)/.exec(await (await fetch(`${quick.httpUrl}/metrics`)).text())?.[1];
    await expect.poll(running, { timeout: 60_000 }).toBe("0");
    stalled.destroy();
  });

  test("more queries than connections wait for their turn", async () => {
    const before = await metric("eider_pool_waits_total");
    const ids = ["a", "b", "c"];
    const busy = ids.map((id) => answerTo({ sql: ENDLESS }, { id }));
    for (const id of ids) await expect.poll(() => fetchStatus(id), { timeout: 60_000 }).toBe(409);
    await expect.poll(() => metric('eider_pool_connections{state="busy"}')).toBe(3);
    const fourth = answerTo({ sql: "SELECT 4 AS four" });
    await expect.poll(() => metric("eider_queries_waiting")).toBe(1);
    await fetch(`${eider.httpUrl}/query/b`, { method: "DELETE" });
    expect(await fourth).toMatchObject({ status: 200, body: { rows: [[4]] } });
    for (const id of ["a", "c"]) await fetch(`${eider.httpUrl}/query/${id}`, { method: "DELETE" });
    expect((await Promise.all(busy)).map(({ status }) => status)).toEqual([499, 499, 499]);
    expect(await metric("eider_pool_waits_total")).toBeGreaterThan(before);
    await expect.poll(() => metric('eider_pool_connections{state="idle"}')).toBe(1);
  });

  async function fetchStatus(id: string): Promise<number> {
    // An invalid body would be refused first; the id is looked at before the statement is.
    return (await post({ sql: "SELECT 1" }, { id, accept: "application/xml" })).status;
  }
});

test("an answer of any size takes little memory", async () => {
  const memory = () => metric("process_resident_memory_bytes");
  const before = await memory();
  const response = await post({ sql: "SELECT i, repeat('x', 1000) FROM range(1500000) t(i)" }, { accept: "text/csv" });
  let bytes = 0;
  let nextLook = 0;
  let most = 0;
  for await (const piece of response.body ?? []) {
    bytes += (piece as Uint8Array).byteLength;
    if (bytes < nextLook) continue;
    nextLook += 50_000_000;
    most = Math.max(most, await memory());
  }
  expect(bytes).toBeGreaterThan(1_500_000_000);
  // Garbage that V8 has not collected yet comes to some hundred megabytes.
  expect(most - before).toBeLessThan(bytes / 2);
});

test("the server describes itself", async () => {
  const document = (await (await fetch(`${eider.httpUrl}/openapi.json`)).json()) as {
    openapi: string;
    paths: Record<string, Record<string, { responses: object; requestBody?: object }>>;
  };
  expect(document.openapi).toBe("3.1.1");
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining(["/query", "/query/{id}", "/health", "/ready", "/metrics", "/flush", "/openapi.json"]),
  );
  expect(document.paths["/query"]?.["post"]?.requestBody).toMatchObject({
    required: true,
    content: { "application/json": { schema: { required: ["sql"], additionalProperties: false } } },
  });
});

test("the server ends cleanly while a query runs", async () => {
  const answer = post({ sql: ENDLESS }, { id: "last" }).catch((error: unknown) => error);
  await expect
    .poll(async () => (await post({ sql: "SELECT 1" }, { id: "last" })).status, { timeout: 60_000 })
    .toBe(409);
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  await answer;
  expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
});
