import { createReadStream } from "node:fs";
import { type RecordBatch, RecordBatchReader } from "apache-arrow";
import { type Connection, Database } from "../duck/database.ts";
import { Extensions } from "../duck/extensions.ts";
import { EiderError } from "../errors.ts";
import { ResultStream } from "../query/result-stream.ts";
import { Slot } from "../query/slot.ts";
import { SpoolSpace } from "../query/spool-space.ts";
import { Statement } from "../query/statement.ts";
import type { Frame } from "../wire/frame.ts";
import { type FoundFile, listFiles } from "./file-list.ts";
import type { FileFormat } from "./formats.ts";

/** No other statement runs on the connection, so that no result is made to wait. */
const NO_SPOOL = new SpoolSpace({ folder: "", memoryLimitBytes: 0, diskLimitBytes: 0 });

/** A piece of a file, cut in the same places each time the file is read. */
export type FileBatch = RecordBatch | { readonly schema: Uint8Array; readonly frames: readonly Frame[] };

export interface FileReaderOptions {
  readonly extensionDir: string;
  readonly progress: (line: string) => void;
}

const REMOTE = /^[a-z0-9]+:\/\//i;
const ARROW_BATCH_ROWS = 65_536;

/**
 * Files as Arrow batches, by a DuckDB in this process. One thread reads, so that each run cuts a file in the same
 * places: a batch's token is its number.
 */
export class FileReader implements AsyncDisposable {
  readonly #database: Database;
  readonly #connection: Connection;
  readonly #extensions: Extensions;
  #hasHttp = false;

  private constructor(database: Database, connection: Connection, options: FileReaderOptions) {
    this.#database = database;
    this.#connection = connection;
    this.#extensions = new Extensions({ dir: options.extensionDir, progress: options.progress });
  }

  static async open(options: FileReaderOptions): Promise<FileReader> {
    const database = await Database.open({ threads: "1", preserve_insertion_order: "true" });
    return new FileReader(database, await database.connect(), options);
  }

  async list(pattern: string): Promise<FoundFile[]> {
    if (REMOTE.test(pattern)) await this.#loadHttp();
    return await listFiles(this.#connection, pattern);
  }

  /** Rows of the file where its own footer says so without being read. */
  async rowCount(path: string, format: FileFormat): Promise<number | undefined> {
    if (format.name !== "parquet") return undefined;
    const [row] = await this.#connection.rows("SELECT sum(num_rows)::BIGINT AS n FROM parquet_file_metadata($1)", [
      path,
    ]);
    return row?.["n"] === undefined ? undefined : Number(row["n"]);
  }

  batches(path: string, format: FileFormat): AsyncIterable<FileBatch> {
    return format.reader ? this.#duckBatches(`SELECT * FROM ${format.reader(path)}`) : arrowBatches(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
  }

  async *#duckBatches(sql: string): AsyncGenerator<FileBatch> {
    const statement = await Statement.prepare(this.#connection, sql);
    try {
      const source = { detached: () => this.#database.connect(), sql, set: [], canRepeat: true };
      await using rows = new ResultStream(new Slot(this.#connection), await statement.stream(), {
        source,
        spool: NO_SPOOL,
      });
      for await (const frame of rows.frames()) yield { schema: rows.schema, frames: [frame] };
    } finally {
      statement.close();
    }
  }

  /** Credentials of S3 are those of the environment and the AWS files (https://duckdb.org/docs/stable/core_extensions/aws). */
  async #loadHttp(): Promise<void> {
    if (this.#hasHttp) return;
    await this.#extensions.load(this.#connection, "httpfs");
    this.#hasHttp = true;
  }
}

/** Arrow's stream and file formats; no DuckDB reads them. */
async function* arrowBatches(path: string): AsyncGenerator<RecordBatch> {
  if (REMOTE.test(path)) throw new EiderError("config_invalid", `an Arrow file is read from disk alone, not ${path}`);
  const reader = await RecordBatchReader.from(createReadStream(path));
  for await (const batch of reader) {
    for (let at = 0; at < batch.numRows; at += ARROW_BATCH_ROWS) yield batch.slice(at, at + ARROW_BATCH_ROWS);
  }
}
