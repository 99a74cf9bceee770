import { EiderError } from "../errors.ts";
import type { Frame, RowStream } from "../flight/backend.ts";

/**
 * Results of several parameter sets as one result. Each but the first begins when the one before it has been read, so that
 * they need one connection, however many there are.
 */
export class ConcatenatedRows implements RowStream {
  readonly schema: Uint8Array;
  readonly #rest: ReadonlyArray<() => Promise<RowStream>>;
  readonly #onEnd: () => void;
  #current: RowStream;
  #isCancelled = false;

  private constructor(first: RowStream, rest: ReadonlyArray<() => Promise<RowStream>>, onEnd: () => void) {
    this.schema = first.schema;
    this.#current = first;
    this.#rest = rest;
    this.#onEnd = onEnd;
  }

  /** `onEnd` is called when nothing more is computed. */
  static async open(
    openers: ReadonlyArray<() => Promise<RowStream>>,
    onEnd: () => void = () => undefined,
  ): Promise<ConcatenatedRows> {
    const [first, ...rest] = openers;
    if (!first) throw new EiderError("request_invalid", "no parameter sets were given");
    return new ConcatenatedRows(await first(), rest, onEnd);
  }

  async *frames(): AsyncGenerator<Frame> {
    yield* this.#current.frames();
    for (const open of this.#rest) {
      await this.#current[Symbol.asyncDispose]();
      if (this.#isCancelled) throw new EiderError("cancelled", "the query was cancelled");
      this.#current = await open();
      if (Buffer.compare(this.#current.schema, this.schema) !== 0) {
        throw new EiderError(
          "sql_invalid",
          "the parameter sets give results of different types; cast the parameters in the statement",
        );
      }
      yield* this.#current.frames();
    }
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#current.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isCancelled = true;
    await this.#current[Symbol.asyncDispose]();
    this.#onEnd();
  }
}

/** A result that is in memory already. */
export function frameRows(schema: Uint8Array, rows: readonly Frame[]): RowStream {
  return {
    schema,
    async *frames() {
      yield* rows;
    },
    cancel() {},
    async [Symbol.asyncDispose]() {},
  };
}
