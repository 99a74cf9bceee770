import duckdb from "@duckdb/node-bindings";
import { letGoOf } from "../base/garbage.ts";
import { fromDuckError } from "../duck/errors.ts";
import { EiderError } from "../errors.ts";
import type { AheadShare } from "./compute-ahead.ts";
import type { Slot } from "./slot.ts";
import { failureOf, type StreamSource } from "./stream-failure.ts";

export type StreamEnd = "ok" | "error" | "cancelled";

export interface ChunkStreamOptions {
  readonly onEnd?: (end: StreamEnd, error?: EiderError) => void;
  /** To tell why a result broke off; without it the error says that it did. */
  readonly source?: StreamSource;
  /** What DuckDB may compute ahead: given back at the end. */
  readonly ahead?: AheadShare;
}

/**
 * A result's chunks while DuckDB still computes them. DuckDB's binding ends a result that failed as if it were complete;
 * here it rejects, with DuckDB's own words where they can be found. One reader at a time.
 */
export class ChunkStream {
  readonly #slot: Slot;
  readonly columns: ReturnType<typeof resultColumns>;
  /** Undefined at the end: it holds what DuckDB has computed ahead. */
  #result: duckdb.Result | undefined;
  readonly #onEnd: (end: StreamEnd, error?: EiderError) => void;
  readonly #source: StreamSource | undefined;
  readonly #ahead: AheadShare | undefined;
  /** False when DuckDB had the whole result at once. */
  readonly #isStreaming: boolean;
  /** Chunks of a whole result that is small: they are taken in this thread, without waking another for each. */
  readonly #small: duckdb.DataChunk[] | undefined;
  readonly #startedMs = performance.now();
  #nextChunk: Promise<duckdb.DataChunk | null> | undefined;
  #isAtEnd = false;
  #isCancelled = false;

  constructor(slot: Slot, result: duckdb.Result, options: ChunkStreamOptions = {}) {
    this.#slot = slot;
    this.#result = result;
    this.columns = resultColumns(result);
    this.#source = options.source;
    this.#ahead = options.ahead;
    this.#isStreaming = duckdb.result_is_streaming(result);
    if (!this.#isStreaming) this.#ahead?.giveBack();
    if (!this.#isStreaming && duckdb.result_chunk_count(result) <= 1) this.#small = wholeChunks(result);
    this.#onEnd = options.onEnd ?? (() => undefined);
  }

  /** True while the result occupies its connection. */
  get isLive(): boolean {
    return this.#result !== undefined;
  }

  /** The next chunk, while DuckDB fetches the one after it; undefined at the end. Rejects once, when the result fails. */
  async next(): Promise<duckdb.DataChunk | undefined> {
    const result = this.#result;
    if (result === undefined) return undefined;
    try {
      if (this.#isCancelled) throw new EiderError("cancelled", "the query was cancelled");
      const chunk = this.#small ? this.#small.shift() : await (this.#nextChunk ?? duckdb.fetch_chunk(result));
      if (!chunk || duckdb.data_chunk_get_size(chunk) === 0) {
        if (this.#hasBrokenOff(result)) throw await this.#failure();
        this.#isAtEnd = true;
        await this.#finish("ok");
        return undefined;
      }
      if (!this.#small) {
        this.#nextChunk = duckdb.fetch_chunk(result);
        this.#nextChunk.catch(() => undefined);
      }
      return chunk;
    } catch (error) {
      throw await this.fail(error);
    }
  }

  /** Ends the stream because of `error`, its own or the reader's; resolves to what the client is told. */
  async fail(error: unknown): Promise<EiderError> {
    const told = this.#isCancelled
      ? new EiderError("cancelled", "the query was cancelled", { cause: error })
      : fromDuckError(error);
    await this.#finish(told.code === "cancelled" ? "cancelled" : "error", told);
    return told;
  }

  /** Stops DuckDB; what is being read then rejects with `cancelled`. */
  cancel(): void {
    if (!this.isLive || this.#isCancelled) return;
    this.#isCancelled = true;
    this.#slot.connection.interrupt();
  }

  /** Ends the stream before its end: `ok` when the reader has all that it wanted. Not while `next` runs. */
  async close(end: StreamEnd): Promise<void> {
    if (!this.isLive) return;
    this.#slot.connection.interrupt();
    await this.#nextChunk?.catch(() => undefined);
    await this.#finish(end);
  }

  /** An end without rows is that of a failure, too. */
  #hasBrokenOff(result: duckdb.Result): boolean {
    return this.#isCancelled || (this.#isStreaming && !duckdb.result_is_streaming(result));
  }

  async #failure(): Promise<EiderError> {
    if (this.#isCancelled) return new EiderError("cancelled", "the query was cancelled");
    return failureOf(this.#slot, this.#source, performance.now() - this.#startedMs);
  }

  async #finish(end: StreamEnd, error?: EiderError): Promise<void> {
    if (!this.isLive) return;
    if (end !== "ok") {
      // After a value that Arrow cannot hold DuckDB computes on, for as long as the next chunk takes.
      this.#slot.connection.interrupt();
      await this.#nextChunk?.catch(() => undefined);
      // An open result pins its transaction's snapshot until another statement runs on the connection.
      if (!this.#slot.isInTransaction && !this.#slot.connection.isClosed)
        await this.#slot.connection.run("SELECT 1").catch(() => undefined);
    }
    // Not before: the slot would be taken for idle, and the statement above would end the next one's result.
    this.#result = undefined;
    this.#nextChunk = undefined;
    this.#onEnd(end, error);
    // The binding frees the result with its handle, and in no other way.
    if (this.#isStreaming && !this.#isAtEnd && this.#ahead) letGoOf(this.#ahead.bytes);
    this.#ahead?.giveBack();
  }
}

export function resultColumns(result: duckdb.Result): Array<{ name: string; type: duckdb.LogicalType }> {
  return Array.from({ length: duckdb.column_count(result) }, (_, i) => ({
    name: duckdb.column_name(result, i),
    type: duckdb.column_logical_type(result, i),
  }));
}

function wholeChunks(result: duckdb.Result): duckdb.DataChunk[] {
  return Array.from({ length: duckdb.result_chunk_count(result) }, (_, i) => duckdb.result_get_chunk(result, i));
}
