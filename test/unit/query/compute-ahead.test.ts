import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { decodeSchema } from "../../../src/arrow/schema.ts";
import { type Connection, Database } from "../../../src/duck/database.ts";
import { ComputeAhead, MOST_AHEAD_BYTES } from "../../../src/query/compute-ahead.ts";
import { ResultStream } from "../../../src/query/result-stream.ts";
import { Slot } from "../../../src/query/slot.ts";
import { SpoolSpace } from "../../../src/query/spool-space.ts";
import { Statement } from "../../../src/query/statement.ts";

const LIMIT_BYTES = 128e6;
const LEAST_BYTES = MOST_AHEAD_BYTES / 128;
const ROWS = 300_000;
const SQL = "SELECT i, 'text of row ' || i AS text FROM numbers";

const spool = new SpoolSpace({ folder: tmpdir(), memoryLimitBytes: 2 ** 28, diskLimitBytes: 2 ** 30 });

async function open(ahead: ComputeAhead, connection: Connection, sql = SQL): Promise<ResultStream> {
  const slot = new Slot(connection);
  const statement = await Statement.prepare(connection, sql);
  return ahead.start(connection, async (share) => {
    const stream = new ResultStream(slot, await statement.stream(), { spool, ahead: share });
    slot.occupy(stream);
    return stream;
  });
}

async function rowsOf(stream: ResultStream): Promise<number> {
  const decoder = new BatchDecoder(decodeSchema(stream.schema));
  let rows = 0;
  for await (const frame of stream.frames()) rows += decoder.decode(frame)?.rowCount ?? 0;
  return rows;
}

/** What the connection's next result may have, as DuckDB says it. */
async function settingOf(connection: Connection): Promise<unknown> {
  const [row] = await connection.rows("SELECT current_setting('streaming_buffer_size') AS size");
  return row?.["size"];
}

async function connectTo(database: Database): Promise<Connection> {
  const connection = await database.connect();
  await connection.run(`SET streaming_buffer_size = '${MOST_AHEAD_BYTES}B'`);
  return connection;
}

test("two hundred open results share the limit; those that are read are whole, and give their share back", async () => {
  await using database = await Database.open();
  const first = await connectTo(database);
  await first.run(`CREATE TABLE numbers AS SELECT range AS i FROM range(${ROWS})`);
  const ahead = new ComputeAhead(LIMIT_BYTES);
  const streams: ResultStream[] = [];
  let last = first;
  for (let i = 0; i < 200; i++) {
    last = await connectTo(database);
    const stream = await open(ahead, last);
    expect((await stream.frames().next()).done).toBe(false);
    streams.push(stream);
  }
  expect(ahead.takenBytes).toBeGreaterThan(LIMIT_BYTES / 2);
  expect(ahead.takenBytes).toBeLessThanOrEqual(LIMIT_BYTES + 200 * LEAST_BYTES);

  const late = await open(ahead, first);
  expect(await rowsOf(late)).toBe(ROWS);
  const rest = await Promise.all(streams.slice(100).map(rowsOf));
  // Each without the batch that was read at first.
  expect(new Set(rest).size).toBe(1);
  expect(rest[0]).toBeGreaterThan(ROWS / 2);
  for (const stream of streams) await stream[Symbol.asyncDispose]();
  expect(ahead.takenBytes).toBe(0);
  expect(await settingOf(last)).not.toBe(await settingOf(await connectTo(database)));
});

test("few results have as much as one; a connection that had less gets it back once others have ended", async () => {
  await using database = await Database.open();
  const connection = await connectTo(database);
  await connection.run(`CREATE TABLE numbers AS SELECT range AS i FROM range(${ROWS})`);
  const whole = await settingOf(connection);
  const ahead = new ComputeAhead(LIMIT_BYTES);
  const streams: ResultStream[] = [];
  for (let i = 0; i < 8; i++) streams.push(await open(ahead, await connectTo(database)));
  expect(ahead.takenBytes).toBe(8 * MOST_AHEAD_BYTES);
  for (let i = 0; i < 40; i++) streams.push(await open(ahead, await connectTo(database)));

  expect(await rowsOf(await open(ahead, connection))).toBe(ROWS);
  expect(await settingOf(connection)).not.toBe(whole);
  for (const stream of streams) await stream[Symbol.asyncDispose]();
  expect(await rowsOf(await open(ahead, connection))).toBe(ROWS);
  expect(await settingOf(connection)).toBe(whole);
  expect(ahead.takenBytes).toBe(0);
});

test("results do not wait for ever with the least", async () => {
  await using database = await Database.open();
  const connection = await connectTo(database);
  await connection.run(`CREATE TABLE numbers AS SELECT range AS i FROM range(${ROWS})`);
  const ahead = new ComputeAhead(0);
  const sources = [
    SQL,
    "FROM numbers",
    "SELECT i, repeat('x', 1000) FROM numbers",
    `SELECT * FROM range(${ROWS})`,
    "SELECT a.i FROM numbers a JOIN numbers b USING (i)",
    "SELECT i, sum(i) OVER (ORDER BY i) FROM numbers",
  ];
  for (const sql of sources) expect(await rowsOf(await open(ahead, connection, sql))).toBe(ROWS);
});

test("a statement that fails, or has its rows at once, keeps no share", async () => {
  await using database = await Database.open();
  const connection = await database.connect();
  const ahead = new ComputeAhead(LIMIT_BYTES);
  await expect(open(ahead, connection, "SELECT error('no') FROM range(10)").then(rowsOf)).rejects.toThrow();
  await expect(ahead.start(connection, () => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  expect(ahead.takenBytes).toBe(0);
});
