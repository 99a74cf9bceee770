import type { RecordBatch } from "apache-arrow";
import { readBatchHeader } from "../arrow/batch-header.ts";
import { type Connection, Database } from "../duck/database.ts";
import { Extensions } from "../duck/extensions.ts";
import { EiderError } from "../errors.ts";
import { type BatchLimits, ResultStream } from "../query/result-stream.ts";
import { Slot } from "../query/slot.ts";
import { SpoolSpace } from "../query/spool-space.ts";
import { Statement } from "../query/statement.ts";
import type { Frame } from "../wire/frame.ts";
import { arrowBatches } from "./arrow-file.ts";
import { type FoundFile, listFiles } from "./file-list.ts";
import type { FileFormat } from "./formats.ts";
import type { SniffedText } from "./sniffed-text.ts";
import { textFailure } from "./text-failure.ts";
import { TypedText, type WantedColumn } from "./typed-text.ts";

/** No other statement runs on the connection, so that no result is made to wait. */
const NO_SPOOL = new SpoolSpace({ folder: "", memoryLimitBytes: 0, diskLimitBytes: 0 });

/** A piece of a file, cut in the same places each time the file is read. */
export type FileBatch = RecordBatch | SqlBatch;

interface SqlBatch {
  readonly schema: Uint8Array;
  readonly frames: readonly Frame[];
}

export interface FilePieces {
  /** What beside the file, DuckDB and the place of a batch says which rows it has. */
  readonly cut: string;
  readonly batches: AsyncIterable<FileBatch>;
}

export interface FileReaderOptions {
  readonly extensionDir: string;
  readonly progress: (line: string) => void;
}

const REMOTE = /^[a-z0-9]+:\/\//i;
/** Of text: few enough that later rows, which may be much longer than the first, fit a message. */
const MAX_TEXT_BATCH_ROWS = 16_384;

/**
 * Files as Arrow batches, by a DuckDB in this process. One thread reads, so that each run cuts a file in the same
 * places: a batch's token is its number.
 */
export class FileReader implements AsyncDisposable {
  readonly #database: Database;
  readonly #connection: Connection;
  readonly #extensions: Extensions;
  readonly #progress: (line: string) => void;
  #hasHttp = false;

  private constructor(database: Database, connection: Connection, options: FileReaderOptions) {
    this.#database = database;
    this.#connection = connection;
    this.#progress = options.progress;
    this.#extensions = new Extensions({ dir: options.extensionDir, progress: options.progress });
  }

  static async open(options: FileReaderOptions): Promise<FileReader> {
    const database = await Database.open({ threads: "1", preserve_insertion_order: "true" });
    const connection = await database.connect();
    // Not the machine's: the same file means the same everywhere.
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    return new FileReader(database, connection, options);
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

  /** A file's batches. Text is read by the types of the columns that it is wanted for, by name; others by those of its own. */
  async open(path: string, format: FileFormat, wanted: readonly WantedColumn[]): Promise<FilePieces> {
    if (format.sniff) return await this.#openText(path, format.sniff, wanted);
    if (format.name === "parquet") await this.#refuseWideDecimals(path);
    if (!format.reader && REMOTE.test(path)) {
      throw new EiderError("config_invalid", `an Arrow file is read from disk alone, not ${path}`);
    }
    const batches = format.reader ? this.#duckBatches(`SELECT * FROM ${format.reader(path)}`) : arrowBatches(path);
    return { cut: "", batches };
  }

  async #openText(
    path: string,
    sniff: NonNullable<FileFormat["sniff"]>,
    wanted: readonly WantedColumn[],
  ): Promise<FilePieces> {
    try {
      const sniffed = await sniff(this.#connection, path);
      if (sniffed.linesSkipped > 0) {
        const lines = sniffed.linesSkipped === 1 ? "line 1 is" : `lines 1 to ${sniffed.linesSkipped} are`;
        this.#progress(`${path}: ${lines} left out, being unlike the rows below`);
      }
      const rows = await this.#batchRows(sniffed);
      return { cut: `${rows}`, batches: this.#textBatches(path, new TypedText(path, sniffed, wanted), rows) };
    } catch (error) {
      throw textFailure(error, path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
  }

  /**
   * How many rows of a file of text go into a batch, all alike: as many as fill the first when it is read by the types that
   * were sniffed. Cut by the bytes of the types that are wanted, a run after an ALTER TABLE would give a token other rows.
   */
  async #batchRows(sniffed: SniffedText): Promise<number> {
    const sql = `SELECT * FROM ${sniffed.read(sniffed.columns.map(({ type }) => type))}`;
    for await (const { frames } of this.#duckBatches(sql, { maxBatchRows: MAX_TEXT_BATCH_ROWS })) {
      const [frame] = frames;
      if (frame) return readBatchHeader(frame.header).rowCount;
    }
    return MAX_TEXT_BATCH_ROWS;
  }

  /** DuckDB 1.5.5 reads them as floating point, of which most are other numbers altogether. */
  async #refuseWideDecimals(path: string): Promise<void> {
    const [wide] = await this.#connection.rows("SELECT name, precision FROM parquet_schema($1) WHERE precision > 38", [
      path,
    ]);
    if (!wide) return;
    throw new EiderError(
      "type_unsupported",
      `${path}, column "${wide["name"]}": a decimal of ${wide["precision"]} digits; DuckDB has 38 at most: write it as a narrower decimal, text or double`,
    );
  }

  async *#textBatches(path: string, text: TypedText, rows: number): AsyncGenerator<FileBatch> {
    try {
      yield* this.#duckBatches(text.sql, { maxBatchRows: rows, maxBatchBytes: Number.POSITIVE_INFINITY });
    } catch (error) {
      throw textFailure(await text.explain(error, this.#connection), path);
    }
  }

  async *#duckBatches(sql: string, limits: BatchLimits = {}): AsyncGenerator<SqlBatch> {
    const statement = await Statement.prepare(this.#connection, sql);
    try {
      const source = { detached: () => this.#database.connect(), sql, set: [], canRepeat: true };
      await using rows = new ResultStream(new Slot(this.#connection), await statement.stream(), {
        ...limits,
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
