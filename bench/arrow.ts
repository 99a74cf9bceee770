import duckdb from "@duckdb/node-bindings";
import type { Schema } from "apache-arrow";
import { BatchDecoder } from "../src/arrow/decode.ts";
import { type Frame, ResultEncoder } from "../src/arrow/read.ts";
import { CHUNK_ROWS, ChunkWriter } from "../src/arrow/write.ts";
import { writeColumn } from "../src/arrow/write-column.ts";

/**
 * Speed of the Arrow bridge on one thread, in rows/s; a row is a bigint, a timestamp, a text of 16 characters, a double
 * and a boolean. Run: `node dist/bench/arrow.js [rows]`.
 */

const COLUMNS = "id BIGINT, moment TIMESTAMP, name VARCHAR, score DOUBLE, flag BOOLEAN";
const SOURCE = `SELECT i AS id, TIMESTAMP '2026-01-01' + INTERVAL (i) SECOND AS moment, 'name-' || lpad(i::VARCHAR, 11, '0') AS name,
  i / 7.0 AS score, i % 3 = 0 AS flag FROM range($rows) t(i)`;
const rows = Number(process.argv[2] ?? 2_000_000);
const ROUNDS = 3;

async function openConnection(): Promise<duckdb.Connection> {
  const config = duckdb.create_config();
  duckdb.set_config(config, "threads", "1");
  return duckdb.connect(await duckdb.open(":memory:", config));
}

async function chunksOf(
  connection: duckdb.Connection,
  count: number,
): Promise<{ result: duckdb.Result; chunks: duckdb.DataChunk[] }> {
  const statement = await duckdb.prepare(connection, SOURCE.replace("$rows", String(count)));
  const result = await duckdb.execute_prepared(statement);
  const chunks: duckdb.DataChunk[] = [];
  for (;;) {
    const chunk = await duckdb.fetch_chunk(result);
    if (!chunk || duckdb.data_chunk_get_size(chunk) === 0) return { result, chunks };
    chunks.push(chunk);
  }
}

function encoderFor(result: duckdb.Result, maxBatchRows: number): ResultEncoder {
  const columns = Array.from({ length: duckdb.column_count(result) }, (_, i) => ({
    name: duckdb.column_name(result, i),
    type: duckdb.column_logical_type(result, i),
  }));
  return new ResultEncoder(columns, { maxBatchRows });
}

function encode(
  result: duckdb.Result,
  chunks: readonly duckdb.DataChunk[],
  maxBatchRows: number,
): { schema: Schema; frames: Frame[] } {
  const encoder = encoderFor(result, maxBatchRows);
  const frames = chunks.flatMap((chunk) => encoder.push(chunk));
  return { schema: encoder.schema, frames: [...frames, ...encoder.finish()] };
}

function time(name: string, count: number, body: () => void): void {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    body();
    rates.push(count / (Number(process.hrtime.bigint() - start) / 1e9));
  }
  const best = Math.max(...rates);
  console.log(`${name.padEnd(46)} ${(best / 1e6).toFixed(2)} million rows/s`);
}

const connection = await openConnection();
await duckdb.query(connection, `CREATE TABLE target (${COLUMNS})`);
const { result, chunks } = await chunksOf(connection, rows);

time("out: chunks to batches of 1.5 MiB", rows, () => encode(result, chunks, 131_072));

for (const batchRows of [131_072, 100]) {
  const { schema, frames } = encode(result, batchRows === 100 ? chunks.slice(0, 100) : chunks, batchRows);
  const count = batchRows === 100 ? 100 * CHUNK_ROWS : rows;
  const label = batchRows === 100 ? "batches of 100 rows" : "batches of 1.5 MiB";
  time(`in: decode, ${label}`, count, () => {
    const decoder = new BatchDecoder(schema);
    for (const frame of frames) decoder.decode(frame);
  });
  const types = Array.from({ length: 5 }, (_, i) => duckdb.column_logical_type(result, i));
  time(`in: decode and fill chunks, ${label}`, count, () => {
    const decoder = new BatchDecoder(schema);
    const chunk = duckdb.create_data_chunk(types);
    const vectors = types.map((_, i) => duckdb.data_chunk_get_vector(chunk, i));
    for (const frame of frames) {
      const batch = decoder.decode(frame);
      for (let start = 0; batch && start < batch.rowCount; start += CHUNK_ROWS) {
        duckdb.data_chunk_reset(chunk);
        for (const [i, column] of batch.columns.entries()) {
          const vector = vectors[i];
          if (vector) writeColumn(vector, column, start, Math.min(CHUNK_ROWS, batch.rowCount - start));
        }
      }
    }
  });
  const writer = new ChunkWriter(types);
  const sources = types.map((_, index) => ({ kind: "column", index }) as const);
  time(`in: decode and append to memory, ${label}`, count, () => {
    const decoder = new BatchDecoder(schema);
    const appender = duckdb.appender_create(connection, null, "target");
    for (const frame of frames) {
      const batch = decoder.decode(frame);
      if (batch) writer.append(appender, batch, sources);
    }
    duckdb.appender_close_sync(appender);
  });
}
