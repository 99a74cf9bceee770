import type duckdb from "@duckdb/node-bindings";
import { type Frame, ResultEncoder, type ResultEncoderOptions } from "../arrow/read.ts";
import type { ResultTypeOptions } from "../arrow/types.ts";
import type { EiderError } from "../errors.ts";
import { ChunkStream, type ChunkStreamOptions } from "./chunk-stream.ts";
import { FrameSpool } from "./frame-spool.ts";
import { resultSchema } from "./schema-memo.ts";
import type { Slot } from "./slot.ts";
import type { SpoolSpace } from "./spool-space.ts";

export { resultColumns, type StreamEnd } from "./chunk-stream.ts";

export type BatchLimits = Pick<ResultEncoderOptions, "maxBatchBytes" | "maxBatchRows">;

export interface ResultStreamOptions extends ResultTypeOptions, ChunkStreamOptions, BatchLimits {
  readonly spool: SpoolSpace;
}

/**
 * A statement's rows as Arrow while DuckDB still computes them. DuckDB ends a connection's open result silently when the
 * next statement starts on it, so the stream owns its slot until its last chunk is fetched; whoever needs the slot earlier
 * calls `spool`, which fetches the rest.
 */
export class ResultStream implements AsyncDisposable {
  readonly schema: Uint8Array;
  readonly #chunks: ChunkStream;
  readonly #encoder: ResultEncoder;
  readonly #spool: FrameSpool;
  readonly #ready: Frame[] = [];
  /** Serialises reader and spooler, which both fetch. */
  #turn: Promise<unknown> = Promise.resolve();
  #error: EiderError | undefined;

  constructor(slot: Slot, result: duckdb.Result, options: ResultStreamOptions) {
    this.#chunks = new ChunkStream(slot, result, {
      ...options,
      onEnd: (end, error) => {
        slot.release(this);
        options.onEnd?.(end, error);
      },
    });
    this.#spool = new FrameSpool(options.spool);
    const { columns } = this.#chunks;
    const { maxBatchBytes, maxBatchRows, widenUnsigned = false } = options;
    this.#encoder = new ResultEncoder(columns, {
      widenUnsigned,
      ...(maxBatchBytes === undefined ? {} : { maxBatchBytes }),
      ...(maxBatchRows === undefined ? {} : { maxBatchRows }),
    });
    this.schema = resultSchema(columns, options);
  }

  get isLive(): boolean {
    return this.#chunks.isLive;
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
      while (this.isLive) {
        try {
          for (const frame of await this.#fetch()) await this.#spool.push(frame);
        } catch (error) {
          // The result that nobody reads ends, and not the statement that needs its connection.
          this.#error = await this.#chunks.fail(error);
        }
      }
    });
  }

  cancel(): void {
    this.#chunks.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    await this.#takeTurn(() => this.#chunks.close("cancelled"));
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
      if (!this.isLive) return undefined;
      this.#ready.push(...(await this.#fetch()));
    }
  }

  /** One chunk's frames, or the last ones. */
  async #fetch(): Promise<Frame[]> {
    try {
      const chunk = await this.#chunks.next();
      return chunk ? this.#encoder.push(chunk) : this.#encoder.finish();
    } catch (error) {
      this.#error = await this.#chunks.fail(error);
      return [];
    }
  }
}
