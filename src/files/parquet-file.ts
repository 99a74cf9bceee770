import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import duckdb from "@duckdb/node-bindings";
import type { Schema } from "apache-arrow";
import { BatchDecoder } from "../arrow/decode.ts";
import { columnsOf } from "../arrow/types.ts";
import { ChunkWriter } from "../arrow/write.ts";
import { type Connection, Database } from "../duck/database.ts";
import { quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { uniqueNames } from "../query/row-text.ts";
import type { Frame } from "../wire/frame.ts";

const TABLE = "result";
/** The appender keeps rows in memory that no limit counts; beyond this many bytes they go to the table. */
const APPENDER_LIMIT_BYTES = 8 * 1024 * 1024;

/** Arrow batches as the bytes of a Parquet file, written by a DuckDB in this process into a temporary folder. */
export async function* parquetOf(
  schema: Schema,
  frames: AsyncIterable<Frame>,
  onRows: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "eider-query-"));
  const path = join(folder, "result.parquet");
  try {
    {
      await using database = await Database.open({ temp_directory: folder });
      const connection = await database.connect();
      await connection.run(`CREATE TABLE ${TABLE} (${columnsOf(schema).map(({ type }, i) => `c${i} ${type}`)})`);
      await append(connection, schema, frames, onRows);
      const names = uniqueNames(schema.fields.map(({ name }) => name));
      const selected = columnsOf(schema).map(({ type }, i) => {
        // Parquet has no such numbers: DuckDB would write them as floating point.
        const cast = type === "HUGEINT" || type === "UHUGEINT" ? "::DECIMAL(38, 0)" : "";
        return `c${i}${cast} AS ${quoteIdentifier(names[i] ?? "")}`;
      });
      const rows = `SELECT ${selected.join(", ")} FROM ${TABLE} ORDER BY rowid`;
      await connection.run(`COPY (${rows}) TO ${quoteLiteral(path)} (FORMAT parquet, COMPRESSION zstd)`);
    }
    yield* createReadStream(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function append(
  connection: Connection,
  schema: Schema,
  frames: AsyncIterable<Frame>,
  onRows: (count: number) => void,
): Promise<void> {
  const decoder = new BatchDecoder(schema, { use: "bind" });
  const appender = duckdb.appender_create(connection.handle, null, TABLE);
  try {
    const types = schema.fields.map((_, i) => duckdb.appender_column_type(appender, i));
    const writer = new ChunkWriter(types);
    const sources = schema.fields.map((_, index) => ({ kind: "column", index }) as const);
    let unflushedBytes = 0;
    for await (const frame of frames) {
      const batch = decoder.decode(frame);
      if (!batch) continue;
      writer.append(appender, batch, sources);
      onRows(batch.rowCount);
      unflushedBytes += batch.bodyBytes;
      if (unflushedBytes < APPENDER_LIMIT_BYTES) continue;
      duckdb.appender_flush_sync(appender);
      unflushedBytes = 0;
    }
  } finally {
    duckdb.appender_close_sync(appender);
  }
}
