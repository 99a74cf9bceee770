import duckdb from "@duckdb/node-bindings";
import { type Frame, ResultEncoder } from "../arrow/read.ts";
import type { ResultTypeOptions } from "../arrow/types.ts";
import { fromDuckError } from "../duck/errors.ts";
import { EiderError } from "../errors.ts";
import { FrameSpool } from "./frame-spool.ts";
import { resultSchema } from "./schema-memo.ts";
import type { Slot } from "./slot.ts";
import { failureOf, type StreamSource } from "./stream-failure.ts";

export type StreamEnd = "ok" | "error" | "cancelled";

export interface ResultStreamOptions extends ResultTypeOptions {
  readonly onEnd?: (end: StreamEnd, error?: EiderError) => void;
  readonly spoolFolder?: string;
  /** To tell why a result broke off; without it the error says that it did. */
  readonly source?: StreamSource;
}

/**
 * A statement's rows while DuckDB still computes them. DuckDB ends a connection's open result silently when the next
 * statement starts on it, so the stream owns its slot until its last chunk is fetched; whoever needs the slot earlier
 * calls `spool`, which fetches the rest.
 */
export class ResultStream implements AsyncDisposable {
  readonly schema: Uint8Array;
  readonly #slot: Slot;
  readonly #result: duckdb.Result;
  readonly #encoder: ResultEncoder;
  readonly #onEnd: (end: StreamEnd, error?: EiderError) => void;
  readonly #spool: FrameSpool;
  readonly #source: StreamSource | undefined;
  /** False when DuckDB had the whole result at once. */
  readonly #isStreaming: boolean;
  readonly #startedMs = performance.now();
  readonly #ready: Frame[] = [];
  #nextChunk: Promise<duckdb.DataChunk | null> | undefined;
  /** Serialises reader and spooler, which both fetch. */
  #turn: Promise<unknown> = Promise.resolve();
  #error: EiderError | undefined;
  #isFetched = false;
  #isCancelled = false;
  #isClosed = false;

  constructor(slot: Slot, result: duckdb.Result, options: ResultStreamOptions = {}) {
    this.#slot = slot;
    this.#result = result;
    this.#source = options.source;
    this.#isStreaming = duckdb.result_is_streaming(result);
    this.#onEnd = options.onEnd ?? (() => undefined);
    this.#spool = new FrameSpool(options.spoolFolder === undefined ? {} : { folder: options.spoolFolder });
    const columns = resultColumns(result);
    this.#encoder = new ResultEncoder(columns, { widenUnsigned: options.widenUnsigned ?? false });
    this.schema = resultSchema(columns, options);
  }

  get isLive(): boolean {
    return !this.#isFetched;
  }

  async *frames(): AsyncGenerator<Frame> {
    for (;;) {
      const frame = await this.#takeTurn(() => this.#next());
      if (!frame) return;
      yield frame;
    }
  }

  /** Fetches the rest, so that the slot's connection is free; errors are kept for the reader. */
  async spool(): Promise<void> {
    await this.#takeTurn(async () => {
      while (!this.#isFetched) for (const frame of await this.#fetch()) await this.#spool.push(frame);
    });
  }

  cancel(): void {
    if (this.#isFetched || this.#isCancelled) return;
    this.#isCancelled = true;
    this.#slot.connection.interrupt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.cancel();
    await this.#takeTurn(async () => {
      await this.#nextChunk?.catch(() => undefined);
      if (!this.#isFetched) await this.#finish("cancelled");
    });
    await this.#spool[Symbol.asyncDispose]();
  }

  #takeTurn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(body);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #next(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#ready.shift() ?? (await this.#spool.shift());
      if (frame) return frame;
      if (this.#error) throw this.#error;
      if (this.#isFetched) return undefined;
      this.#ready.push(...(await this.#fetch()));
    }
  }

  /** One chunk's frames; the chunk after it is fetched by DuckDB meanwhile. */
  async #fetch(): Promise<Frame[]> {
    try {
      if (this.#isCancelled) throw new EiderError("cancelled", "the query was cancelled");
      const chunk = await (this.#nextChunk ?? duckdb.fetch_chunk(this.#result));
      if (!chunk || duckdb.data_chunk_get_size(chunk) === 0) {
        if (this.#hasBrokenOff) throw await this.#failure();
        const frames = this.#encoder.finish();
        await this.#finish("ok");
        return frames;
      }
      this.#nextChunk = duckdb.fetch_chunk(this.#result);
      this.#nextChunk.catch(() => undefined);
      return this.#encoder.push(chunk);
    } catch (error) {
      this.#error = this.#isCancelled
        ? new EiderError("cancelled", "the query was cancelled", { cause: error })
        : fromDuckError(error);
      await this.#finish(this.#error.code === "cancelled" ? "cancelled" : "error");
      return [];
    }
  }

  /** An end without rows is that of a failure, too. */
  get #hasBrokenOff(): boolean {
    return this.#isCancelled || (this.#isStreaming && !duckdb.result_is_streaming(this.#result));
  }

  async #failure(): Promise<EiderError> {
    if (this.#isCancelled) return new EiderError("cancelled", "the query was cancelled");
    return failureOf(this.#slot, this.#source, performance.now() - this.#startedMs);
  }

  async #finish(end: StreamEnd): Promise<void> {
    if (end !== "ok") {
      // After a value that Arrow cannot hold DuckDB computes on, for as long as the next chunk takes.
      this.#slot.connection.interrupt();
      await this.#nextChunk?.catch(() => undefined);
      // An open result pins its transaction's snapshot until another statement runs on the connection.
      if (!this.#slot.isInTransaction && !this.#slot.connection.isClosed)
        await this.#slot.connection.run("SELECT 1").catch(() => undefined);
    }
    // Not before: the slot would be taken for idle, and the statement above would end the next one's result.
    this.#isFetched = true;
    this.#slot.release(this);
    this.#onEnd(end, this.#error);
  }
}

export function resultColumns(result: duckdb.Result): Array<{ name: string; type: duckdb.LogicalType }> {
  return Array.from({ length: duckdb.column_count(result) }, (_, i) => ({
    name: duckdb.column_name(result, i),
    type: duckdb.column_logical_type(result, i),
  }));
}
