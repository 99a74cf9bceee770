import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import duckdb from "@duckdb/node-bindings";
import { ResultEncoder } from "../arrow/read.ts";
import { encapsulate, encodeSchema } from "../arrow/schema.ts";
import type { Connection } from "../duck/database.ts";
import { quoteIdentifier, quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { ChunkStream } from "./chunk-stream.ts";
import type { ComputeAhead } from "./compute-ahead.ts";
import { csv, jsonDocument, ndjson, RowRenderer, type RowText, uniqueNames } from "./row-text.ts";
import { Slot } from "./slot.ts";
import type { SpoolSpace } from "./spool-space.ts";
import { Statement } from "./statement.ts";
import { splitStatements } from "./tokens.ts";

const { StatementType, Type } = duckdb;

/** A statement that reads, and which of its rows are wanted. */
export interface BodyRequest {
  /** In a transaction, and the query's alone until the body has ended. */
  readonly connection: Connection;
  readonly sql: string;
  readonly offset: number;
  /** Undefined: all. */
  readonly limit: number | undefined;
  /** When the query began, by `performance.now()`. */
  readonly startedMs: number;
  readonly signal: AbortSignal;
  /** A connection to find out on why the result broke off. */
  readonly detached: () => Promise<Connection>;
  /** Folder of results that are files. */
  readonly spool: SpoolSpace;
  readonly ahead: ComputeAhead;
}

type Body = (request: BodyRequest) => AsyncGenerator<Uint8Array>;

export const RESULT_FORMATS = ["json", "ndjson", "csv", "arrow", "parquet"] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

/** THE table of result formats. All but Parquet, whose footer comes last, are sent while DuckDB computes. */
export const RESULT_BODIES: Readonly<Record<ResultFormat, Body>> = {
  json: (request) => textBody(jsonDocument, request),
  ndjson: (request) => textBody(ndjson, request),
  csv: (request) => textBody(csv, request),
  arrow: arrowBody,
  parquet: parquetBody,
};

const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
const FILE_PIECE_BYTES = 256 * 1024;

async function* textBody(
  format: (names: readonly string[]) => RowText,
  request: BodyRequest,
): AsyncGenerator<Uint8Array> {
  const chunks = await openChunks(request);
  const names = chunks.columns.map(({ name }) => name);
  const text = format(names);
  const renderer = new RowRenderer(text, names);
  let rows = 0;
  yield Buffer.from(text.head);
  for await (const { chunk, from, to } of wantedRows(chunks, request)) {
    yield Buffer.from(renderer.render(chunk, from, to));
    rows += to - from;
  }
  yield Buffer.from(text.tail({ rows, executionMs: Math.round(performance.now() - request.startedMs) }));
}

/** Arrow's IPC streaming format (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format). */
async function* arrowBody(request: BodyRequest): AsyncGenerator<Uint8Array> {
  const chunks = await openChunks(request);
  const encoder = new ResultEncoder(chunks.columns);
  yield encapsulate(encodeSchema(encoder.schema));
  for await (const { chunk, from, to } of wantedRows(chunks, request)) {
    for (const { header, body } of encoder.push(chunk, from, to)) {
      yield encapsulate(header);
      yield body;
    }
  }
  for (const { header, body } of encoder.finish()) {
    yield encapsulate(header);
    yield body;
  }
  yield END_OF_STREAM;
}

/** Written by DuckDB to a file that has no name any more while it is sent. */
async function* parquetBody(request: BodyRequest): AsyncGenerator<Uint8Array> {
  const { connection, spool } = request;
  const path = join(spool.folder, `eider-result-${randomUUID()}.parquet`);
  try {
    await connection.run(`COPY (${await parquetQuery(request)}) TO ${quoteLiteral(path)} (FORMAT parquet)`);
    const file = await open(path);
    try {
      await rm(path);
      for (;;) {
        const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(FILE_PIECE_BYTES) });
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}

/** DuckDB would write HUGEINT as DOUBLE, and loses columns whose name comes twice. */
async function parquetQuery({ connection, sql, offset, limit }: BodyRequest): Promise<string> {
  const statement = await Statement.prepare(connection, sql);
  try {
    statement.bind([]);
    if (statement.type !== StatementType.SELECT) {
      throw new EiderError("request_invalid", "Parquet holds the rows of a SELECT; ask for another format");
    }
    const columns = statement.columns ?? [];
    const names = uniqueNames(columns.map(({ name }) => name));
    const selected = columns.map(({ type }, i) => {
      const id = duckdb.get_type_id(type);
      const isWide = id === Type.HUGEINT || id === Type.UHUGEINT;
      const name = names[i] ?? "";
      return `${isWide ? asDecimal(`c${i}`, name) : `c${i}`} AS ${quoteIdentifier(name)}`;
    });
    const aliases = columns.map((_, i) => `c${i}`).join(", ");
    const rows = `${limit === undefined ? "" : ` LIMIT ${limit}`}${offset === 0 ? "" : ` OFFSET ${offset}`}`;
    // Without its semicolon; the line break ends a comment at its end.
    const query = splitStatements(sql)[0]?.sql ?? sql;
    return `SELECT ${selected.join(", ")} FROM (${query}\n) AS result(${aliases})${rows}`;
  } finally {
    statement.close();
  }
}

/** Of `column` as a Parquet file may hold it: by a cast alone, DuckDB's error would show the SQL around it. */
function asDecimal(column: string, name: string): string {
  const decimal = `TRY_CAST(${column} AS DECIMAL(38, 0))`;
  const before = quoteLiteral(`column "${name}": `);
  const after = quoteLiteral(
    " is beyond DECIMAL(38, 0), which Parquet ends with; CAST the column to VARCHAR or DOUBLE",
  );
  return `CASE WHEN ${column} IS NULL OR ${decimal} IS NOT NULL THEN ${decimal} ELSE error(${before} || ${column} || ${after}) END`;
}

async function openChunks({ connection, sql, signal, detached, ahead }: BodyRequest): Promise<ChunkStream> {
  const slot = new Slot(connection);
  slot.isInTransaction = true;
  const statement = await Statement.prepare(connection, sql);
  try {
    statement.bind([]);
    signal.throwIfAborted();
    const canRepeat = statement.type === StatementType.SELECT;
    const source = { detached, sql, set: [], canRepeat };
    return await ahead.start(
      connection,
      async (share) => new ChunkStream(slot, await statement.stream(), { source, ahead: share }),
    );
  } finally {
    // A stream outlives its prepared statement: DuckDB keeps what the result needs.
    statement.close();
  }
}

interface RowRange {
  readonly chunk: duckdb.DataChunk;
  readonly from: number;
  readonly to: number;
}

/** The rows between offset and limit; DuckDB is stopped after the last of them. */
async function* wantedRows(
  chunks: ChunkStream,
  { offset, limit = Number.POSITIVE_INFINITY, signal }: BodyRequest,
): AsyncGenerator<RowRange> {
  const end = offset + limit;
  let at = 0;
  try {
    while (at < end) {
      signal.throwIfAborted();
      const chunk = await chunks.next();
      if (!chunk) return;
      const rows = duckdb.data_chunk_get_size(chunk);
      const from = Math.max(0, offset - at);
      const to = Math.min(rows, end - at);
      if (from < to) yield { chunk, from, to };
      at += rows;
    }
  } finally {
    await chunks.close("ok");
  }
}
