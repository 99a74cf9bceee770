import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Dictionary,
  Field,
  Float32,
  Int32,
  List,
  type RecordBatch,
  RecordBatchReader,
  Table,
  tableFromArrays,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { expect, test } from "vitest";
import { connect, FlightError } from "../../src/index.ts";
import { freePort } from "../support/free-port.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

const FLIGHTS = join(REPO, "node_modules", "vega-datasets", "data", "flights-200k.arrow");

function flights(): RecordBatch[] {
  const pieces: RecordBatch[] = [];
  for (const batch of RecordBatchReader.from(readFileSync(FLIGHTS))) {
    for (let at = 0; at < batch.numRows; at += 20_000) pieces.push(batch.slice(at, at + 20_000));
  }
  return pieces;
}

const countOf = (pieces: readonly RecordBatch[]) => pieces.reduce((sum, { numRows }) => sum + numRows, 0);

test("ingests, queries, executes, flushes", async () => {
  await using eider = await startEider();
  await using client = await connect(eider.flightUri);
  const pieces = flights();
  expect(await client.ingest("flights", pieces, { mode: "create" })).toBe(countOf(pieces));
  await client.flush("main.flights");
  const first = pieces[0]?.schema.fields[0]?.name;
  await using result = await client.query("SELECT * FROM flights");
  expect(result.schema.fields[0]?.name).toBe(first);
  let rows = 0;
  for await (const batch of result) rows += batch.numRows;
  expect(rows).toBe(countOf(pieces));
  expect(await client.execute("CREATE TABLE birds (id BIGINT PRIMARY KEY, name VARCHAR)")).toBeLessThanOrEqual(0);
  expect(await client.execute("INSERT INTO birds VALUES (1, 'eider'), (2, 'goose')")).toBe(2);
  const deleted = await client.query("DELETE FROM birds WHERE id = 2");
  expect([deleted.rowsChanged, deleted.schema.fields]).toEqual([1, []]);
  expect((await (await client.query("SELECT name FROM birds")).toTable()).toArray().map(String)).toEqual([
    '{"name": "eider"}',
  ]);
});

test("a result that is left early stops its statement, and the session goes on", async () => {
  await using eider = await startEider();
  await using client = await connect(eider.flightUri);
  const result = await client.query("SELECT i FROM range(100000000000) t(i)");
  for await (const batch of result) {
    expect(batch.numRows).toBeGreaterThan(0);
    break;
  }
  await expect
    .poll(async () => (await fetch(`${eider.httpUrl}/metrics`)).text(), { timeout: 60_000 })
    .toMatch(/^eider_queries_running 0$/m);
  expect((await (await client.query("SELECT 1 AS one")).toTable()).numRows).toBe(1);
});

test("errors carry the server's code; nobody there is said so", async () => {
  await using eider = await startEider();
  await using client = await connect(eider.flightUri);
  const failed = await client.query("SELEC 1").catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(FlightError);
  expect(failed).toMatchObject({ status: "INVALID_ARGUMENT", code: "sql_invalid", isRetryable: false });
  await expect(connect(`grpc://127.0.0.1:${await freePort()}`)).rejects.toMatchObject({ status: "UNAVAILABLE" });
  await expect(connect("http://127.0.0.1:1")).rejects.toThrow(/grpc:\/\/HOST:PORT/);
});

test("a put whose batches come slower than their acknowledgements sends and counts each", async () => {
  await using eider = await startEider();
  await using client = await connect(eider.flightUri);
  await client.execute("CREATE TABLE slow (i DOUBLE)");
  let acknowledged = 0;
  const batches = async function* () {
    for (let i = 0; i < 10; i++) {
      yield* tableFromArrays({ i: [i] }).batches;
      await expect
        .poll(async () => (await fetch(`${eider.httpUrl}/metrics`)).text(), { timeout: 60_000 })
        .toMatch(new RegExp(`^eider_ingest_rows_total\\{table="main.slow",route="put"\\} ${++acknowledged}$`, "m"));
    }
  };
  expect(await client.put("slow", batches())).toEqual({ batches: 10, rows: 10 });
});

test("batches that were built one by one are read as what they are, or refused", async () => {
  await using eider = await startEider();
  await using client = await connect(eider.flightUri);
  const ints = (...values: number[]) => vectorFromArray(values, new Int32());
  const rowsOf = async (sql: string) => (await (await client.query(sql)).toTable()).toArray().map(String);
  const ways: ["put" | "ingest", (name: string, batches: RecordBatch[]) => Promise<unknown>][] = [
    ["put", (name, batches) => client.put(name, batches)],
    ["ingest", (name, batches) => client.ingest(name, batches, { mode: "create_append" })],
  ];
  for (const [way, write] of ways) {
    // Text is a dictionary of its own in each, and only one tells that it holds a NULL.
    const words = (id: number, ...texts: (string | null)[]) =>
      new Table({
        id: ints(id),
        word: vectorFromArray([texts[0] ?? null], text()),
        all: vectorFromArray([texts], list()),
      });
    const text = () => new Dictionary(new Utf8(), new Int32());
    const list = () => new List(Field.new("item", text()));
    await write(`words_by_${way}`, [...words(1, "a", "x").batches, ...words(2, null, "y", "x").batches]);
    expect(await rowsOf(`SELECT id, word, "all"::VARCHAR AS "all" FROM words_by_${way} ORDER BY id`)).toEqual([
      '{"id": 1, "word": "a", "all": "[a, x]"}',
      '{"id": 2, "word": null, "all": "[NULL, y, x]"}',
    ]);
    const first = new Table({ a: ints(1), b: ints(10) });
    const others = [
      new Table({ b: ints(20), a: ints(2) }),
      new Table({ a: ints(2), b: vectorFromArray([1.5], new Float32()) }),
      new Table({ a: ints(2) }),
      new Table({ a: ints(2), b: vectorFromArray([[1]], new List(Field.new("item", new Int32()))) }),
    ];
    for (const other of others) {
      const written = write(`refused_by_${way}`, [...first.batches, ...other.batches]);
      await expect(written).rejects.toThrow(/^batch 1 has another schema than the stream's first batch/);
    }
    // A put may have stored the batch before the refused one, any number of times.
    await write(`refused_by_${way}`, first.batches);
    const rows = way === "put" ? "DISTINCT a, b" : "a, b";
    expect(await rowsOf(`SELECT ${rows} FROM refused_by_${way}`)).toEqual(['{"a": 1, "b": 10}']);
  }
});

test("a put goes on where the connection broke, and stores no batch twice", async () => {
  await using dir = tempDir("client-put");
  const port = await freePort();
  const start = () => startEider({ dataDir: dir.path, settings: { port, bufferMaxAgeSeconds: 3600 } });
  let eider = await start();
  try {
    await using client = await connect(eider.flightUri);
    const indexes: number[] = [];
    let retries = 0;
    const batches = async function* () {
      for (let i = 0; i < 100; i++) {
        if (i === 50) {
          await eider.kill();
          eider = await start();
        }
        yield* tableFromArrays({ id: Int32Array.from({ length: 10 }, (_, row) => i * 10 + row) }).batches;
      }
    };
    const summary = await client.put("numbers", batches(), {
      token: (index) => `numbers-${index}`,
      maxFailures: 50,
      onAck: ({ index }) => indexes.push(index),
      onRetry: () => retries++,
    });
    expect(summary).toEqual({ batches: 100, rows: 1000 });
    expect(indexes).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(retries).toBeGreaterThan(0);
    const again = tableFromArrays({ id: Int32Array.of(1, 2, 3) }).batches;
    await client.put("numbers", again, { token: () => "numbers-0" });
    await client.flush("numbers");
    const result = await client.query("SELECT count(*)::INT AS n, count(DISTINCT id)::INT AS d FROM numbers");
    expect((await result.toTable()).toArray().map(String)).toEqual(['{"n": 1000, "d": 1000}']);
  } finally {
    await eider.kill();
  }
});
