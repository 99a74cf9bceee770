import duckdb from "@duckdb/node-bindings";
import { type Field, Schema } from "apache-arrow";
import { must } from "../base/assert.ts";
import { EiderError } from "../errors.ts";
import { arrowFieldOf } from "./duck-types.ts";
import type { ColumnEncoder } from "./encode-column.ts";
import { encoderOf } from "./encoders.ts";
import { type Frame, FrameBody } from "./frame-body.ts";

export type { Frame } from "./frame-body.ts";

export interface ResultColumn {
  readonly name: string;
  readonly type: duckdb.LogicalType;
  /** Default true. */
  readonly nullable?: boolean;
}

export interface ResultEncoderOptions {
  /** Bytes of a body; one row may be larger. Default 1.5 MiB: Rust clients take messages of 4 MiB, ADBC of 16 MiB. */
  readonly maxBatchBytes?: number;
  /** Default 131 072; bounds batches of columns without bytes. */
  readonly maxBatchRows?: number;
  /** Names, nullability and metadata instead of those of the columns; types must be those of `arrowFieldOf`. */
  readonly schema?: Schema;
  /** Without `schema`: as in ResultTypeOptions. */
  readonly widenUnsigned?: boolean;
}

const DEFAULT_MAX_BATCH_BYTES = 1.5 * 2 ** 20;
const DEFAULT_MAX_BATCH_ROWS = 131_072;

/**
 * Turns a result's chunks into Arrow record batches. Chunks are gathered until a batch is full, so a batch may come late
 * and `finish` gives the last one. A result without rows gives no batch.
 */
export class ResultEncoder {
  readonly schema: Schema;
  readonly #encoders: readonly ColumnEncoder[];
  readonly #maxBytes: number;
  readonly #maxRows: number;
  #rows = 0;
  #bytes = 0;

  /** Throws type_unsupported, naming the column, for types that Arrow clients cannot read. */
  constructor(columns: readonly ResultColumn[], options: ResultEncoderOptions = {}) {
    const fields = columns.map((column, i) => resultField(column, options.schema?.fields[i], options.widenUnsigned));
    this.schema = options.schema ?? new Schema(fields.map(({ field }) => field));
    this.#encoders = columns.map(({ name, type }, i) => encoderOf(type, name, fields[i]?.isWidened ?? false));
    this.#maxBytes = options.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES;
    this.#maxRows = options.maxBatchRows ?? DEFAULT_MAX_BATCH_ROWS;
  }

  /** Takes a chunk's rows, or those from `start` up to `end`, which are copied; gives the batches that they filled. */
  push(chunk: duckdb.DataChunk, start = 0, end = duckdb.data_chunk_get_size(chunk)): Frame[] {
    const frames: Frame[] = [];
    const count = duckdb.data_chunk_get_size(chunk);
    for (const [i, encoder] of this.#encoders.entries()) encoder.open(duckdb.data_chunk_get_vector(chunk, i), count);
    for (let from = start; from < end; ) {
      const to = this.#fittingEnd(from, end);
      if (to === from) {
        frames.push(this.#flush());
        continue;
      }
      this.#bytes += this.#measure(from, to);
      for (const encoder of this.#encoders) encoder.append(from, to);
      this.#rows += to - from;
      from = to;
    }
    return frames;
  }

  finish(): Frame[] {
    return this.#rows === 0 ? [] : [this.#flush()];
  }

  /** The end of the longest range from `from` on that the batch has room for; at least one row when it is empty. */
  #fittingEnd(from: number, count: number): number {
    const end = Math.min(count, from + this.#maxRows - this.#rows);
    if (this.#bytes + this.#measure(from, end) <= this.#maxBytes) return end;
    // A partly filled batch is sent as it is, so that splitting is looked into for large rows alone.
    if (this.#rows > 0) return from;
    let fits = from + 1;
    let beyond = end;
    while (fits + 1 < beyond) {
      const middle = (fits + beyond) >> 1;
      if (this.#measure(from, middle) <= this.#maxBytes) fits = middle;
      else beyond = middle;
    }
    return fits;
  }

  #measure(from: number, to: number): number {
    let bytes = 0;
    for (const encoder of this.#encoders) bytes += encoder.measure(from, to);
    return bytes;
  }

  #flush(): Frame {
    const body = new FrameBody();
    for (const encoder of this.#encoders) encoder.finish(body);
    const frame = body.toFrame(this.#rows);
    this.#rows = 0;
    this.#bytes = 0;
    return frame;
  }
}

/** Whether the wanted field is the one with unsigned integers widened; another type is an error. */
function resultField(
  column: ResultColumn,
  wanted: Field | undefined,
  widenUnsigned = false,
): { field: Field; isWidened: boolean } {
  const { name, type, nullable = true } = column;
  if (!wanted) return { field: arrowFieldOf(name, type, nullable, { widenUnsigned }), isWidened: widenUnsigned };
  const field = arrowFieldOf(name, type, nullable);
  if (String(wanted.type) === String(field.type)) return { field, isWidened: false };
  const widened = arrowFieldOf(name, type, nullable, { widenUnsigned: true });
  if (String(wanted.type) === String(widened.type)) return { field: widened, isWidened: true };
  throw new EiderError(
    "schema_mismatch",
    `column "${name}" is ${must(field.type, "a type")} where ${wanted.type} was announced; prepare the statement again`,
  );
}
