import { decodeSchema } from "../arrow/schema.ts";
import { EiderError, LimitError } from "../errors.ts";
import { decodeFlightData, type FlightData } from "../wire/flight-data.ts";
import type { Frame, Parameters } from "./backend.ts";
import { readMessage } from "./message.ts";

/** A dictionary or record batch, and what the client said of it. */
export interface PutMessage {
  readonly frame: Frame;
  readonly rows: number;
  readonly metadata: Uint8Array | undefined;
}

/**
 * A DoPut's messages: a descriptor in the first, then one schema, then batches. The schema may come with the descriptor
 * or after it; a command without rows has none.
 */
export class PutMessages {
  readonly #rest: AsyncIterator<Uint8Array>;
  #next: FlightData | undefined;

  private constructor(first: FlightData, rest: AsyncIterator<Uint8Array>) {
    this.#next = first;
    this.#rest = rest;
  }

  /** Resolves to the encoded descriptor and the messages. Throws `request_invalid` when the call has no message. */
  static async open(requests: AsyncIterable<Uint8Array>): Promise<{ descriptor: Uint8Array; messages: PutMessages }> {
    const rest = requests[Symbol.asyncIterator]();
    const first = await rest.next();
    if (first.done) {
      // What ADBC and Go do for a reader without any batch: even the table's name is missing.
      throw new EiderError(
        "request_invalid",
        "the DoPut has no message: to ingest no rows send one batch without rows",
      );
    }
    const data = decodeFlightData(first.value);
    if (!data.descriptor) {
      throw new EiderError("request_invalid", "the first message of a DoPut must have a descriptor");
    }
    return { descriptor: data.descriptor, messages: new PutMessages(data, rest) };
  }

  /** The bare schema message, undefined when the stream ends without one. Call once, before `batches`. */
  async schema(): Promise<Uint8Array | undefined> {
    for (let data = await this.#read(); data; data = await this.#read()) {
      if (data.header.length === 0) continue;
      if (readMessage(data.header).kind !== "schema") {
        throw new EiderError("request_invalid", "the stream's first Arrow message must be its schema");
      }
      return data.header;
    }
    return undefined;
  }

  /** Throws `request_invalid` for a second schema, and for app_metadata without a batch, which would go unheard. */
  async *batches(): AsyncGenerator<PutMessage> {
    for (let data = await this.#read(); data; data = await this.#read()) {
      const { header, body, metadata } = data;
      if (header.length === 0) {
        if (!metadata) continue;
        throw new EiderError(
          "request_invalid",
          "app_metadata came without a batch: send it with the batch that it is for",
        );
      }
      const { kind, rows } = readMessage(header);
      if (kind === "schema") throw new EiderError("request_invalid", "the stream's schema cannot change");
      // A copy: the backend may transfer the frame's memory to a worker.
      yield { frame: { header, body }, rows, metadata: metadata && new Uint8Array(metadata) };
    }
  }

  async #read(): Promise<FlightData | undefined> {
    const held = this.#next;
    if (held) {
      this.#next = undefined;
      return held;
    }
    const result = await this.#rest.next();
    return result.done ? undefined : decodeFlightData(result.value);
  }
}

/**
 * The parameter sets of a bind, in memory. Undefined when there are none: no schema, no column or no row means that the
 * statement runs once, without parameters. Throws `too_large` above `limitBytes`.
 */
export async function readParameters(messages: PutMessages, limitBytes: number): Promise<Parameters | undefined> {
  const schema = await messages.schema();
  if (!schema) return undefined;
  const batches: Frame[] = [];
  let rows = 0;
  let bytes = 0;
  for await (const message of messages.batches()) {
    bytes += message.frame.header.length + message.frame.body.length;
    if (bytes > limitBytes) {
      throw new LimitError(
        "too_large",
        "max_parameter_bytes",
        `the parameters are larger than max_parameter_bytes (${limitBytes}): send fewer rows at a time, or use bulk ingest`,
      );
    }
    rows += message.rows;
    batches.push(message.frame);
  }
  return rows === 0 || decodeSchema(schema).fields.length === 0 ? undefined : { schema, batches };
}
