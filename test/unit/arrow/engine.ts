import duckdb from "@duckdb/node-bindings";
import type { Schema } from "apache-arrow";
import { BatchDecoder } from "../../../src/arrow/decode.ts";
import { type Frame, ResultEncoder, type ResultEncoderOptions } from "../../../src/arrow/read.ts";
import { columnsOf } from "../../../src/arrow/types.ts";
import { ChunkWriter } from "../../../src/arrow/write.ts";
import { Database } from "../../../src/duck/database.ts";
import { quoteIdentifier } from "../../../src/duck/sql.ts";

/** A DuckDB instance with one connection, and the ways of rows that the Arrow tests check. */
export class Engine implements AsyncDisposable {
  readonly connection: duckdb.Connection;
  readonly #database: Database;
  readonly run: (sql: string) => Promise<number>;
  readonly rows: (sql: string) => Promise<Array<Record<string, unknown>>>;

  private constructor(database: Database, connection: Awaited<ReturnType<Database["connect"]>>) {
    this.#database = database;
    this.connection = connection.handle;
    this.run = (sql) => connection.run(sql);
    this.rows = (sql) => connection.rows(sql);
  }

  static async open(): Promise<Engine> {
    const database = await Database.open({ threads: "1" });
    const engine = new Engine(database, await database.connect());
    await engine.run("SET TimeZone = 'UTC'");
    return engine;
  }

  /** Makes the table that a schema stands for. */
  async createTable(name: string, schema: Schema): Promise<void> {
    const columns = columnsOf(schema).map((column) => `${quoteIdentifier(column.name)} ${column.type}`);
    await this.run(`CREATE OR REPLACE TABLE ${name} (${columns.join(", ")})`);
  }

  /** Decodes and appends messages, through one decoder and one writer. */
  append(name: string, schema: Schema, frames: readonly Frame[]): number {
    const decoder = new BatchDecoder(schema, { use: "bind" });
    const appender = duckdb.appender_create(this.connection, null, name);
    const types = Array.from({ length: duckdb.appender_column_count(appender) }, (_, i) =>
      duckdb.appender_column_type(appender, i),
    );
    const writer = new ChunkWriter(types);
    const sources = schema.fields.map((_, index) => ({ kind: "column", index }) as const);
    let rows = 0;
    for (const frame of frames) {
      const batch = decoder.decode(frame);
      if (!batch) continue;
      writer.append(appender, batch, sources);
      rows += batch.rowCount;
    }
    duckdb.appender_close_sync(appender);
    return rows;
  }

  /** Every cell as the text of a CAST, in the order of insertion. */
  async texts(name: string, schema: Schema): Promise<Array<Array<string | null>>> {
    const columns = schema.fields.map((field, i) => `${quoteIdentifier(field.name)}::VARCHAR AS c${i}`);
    const rows = await this.rows(`SELECT ${columns.join(", ")} FROM ${name} ORDER BY rowid`);
    return rows.map((row) => schema.fields.map((_, i) => row[`c${i}`] as string | null));
  }

  /** A query's result as batches, streamed as the server does it. */
  async query(sql: string, options: ResultEncoderOptions = {}): Promise<{ schema: Schema; frames: Frame[] }> {
    const statement = await duckdb.prepare(this.connection, sql);
    const result = await duckdb.execute_prepared_streaming(statement);
    const columns = Array.from({ length: duckdb.column_count(result) }, (_, i) => ({
      name: duckdb.column_name(result, i),
      type: duckdb.column_logical_type(result, i),
    }));
    const encoder = new ResultEncoder(columns, options);
    const frames: Frame[] = [];
    for (;;) {
      const chunk = await duckdb.fetch_chunk(result);
      if (!chunk || duckdb.data_chunk_get_size(chunk) === 0) break;
      frames.push(...encoder.push(chunk));
    }
    return { schema: encoder.schema, frames: [...frames, ...encoder.finish()] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
  }
}
