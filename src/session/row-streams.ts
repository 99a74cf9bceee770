import { EiderError } from "../errors.ts";
import type { Frame, RowStream } from "../flight/backend.ts";

/** Results of several parameter sets as one result; they must have the same schema. */
export function concatenate(streams: readonly RowStream[]): RowStream {
  const [first] = streams;
  if (!first) throw new EiderError("request_invalid", "no parameter sets were given");
  if (streams.length === 1) return first;
  if (streams.some((stream) => Buffer.compare(stream.schema, first.schema) !== 0)) {
    throw new EiderError(
      "sql_invalid",
      "the parameter sets give results of different types; cast the parameters in the statement",
    );
  }
  return {
    schema: first.schema,
    async *frames(): AsyncGenerator<Frame> {
      for (const stream of streams) yield* stream.frames();
    },
    cancel() {
      for (const stream of streams) stream.cancel();
    },
    async [Symbol.asyncDispose]() {
      for (const stream of streams) await stream[Symbol.asyncDispose]();
    },
  };
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
