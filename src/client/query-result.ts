import { type RecordBatch, RecordBatchReader, Schema, Table } from "apache-arrow";
import { decodeFlightData, type FlightData } from "../wire/flight-data.ts";
import type { Frame } from "../wire/frame.ts";
import { Flight, type FlightInfo } from "../wire/messages.ts";
import type { Channel } from "./channel.ts";
import { END_OF_STREAM, encapsulated, schemaOf } from "./ipc.ts";

/**
 * A statement's rows, as Arrow record batches while the server still computes them. They can be read once, by one of
 * `for await`, `toTable`, `frames` and `ipcStream`; leaving early, or `cancel`, stops the statement.
 */
export class QueryResult implements AsyncIterable<RecordBatch>, AsyncDisposable {
  /** Without fields for a statement that returns no rows. */
  readonly schema: Schema;
  /** Rows that a statement changed which returns none; undefined where the server does not say, and for queries. */
  readonly rowsChanged: number | undefined;
  readonly #schemaMessage: Uint8Array | undefined;
  readonly #data: AsyncGenerator<FlightData>;

  private constructor(
    schemaMessage: Uint8Array | undefined,
    data: AsyncGenerator<FlightData>,
    rowsChanged: number | undefined,
  ) {
    this.schema = schemaMessage ? schemaOf(schemaMessage) : new Schema([]);
    this.rowsChanged = rowsChanged;
    this.#schemaMessage = schemaMessage;
    this.#data = data;
  }

  /** Resolves once the schema has come. */
  static async open(channel: Channel, info: FlightInfo): Promise<QueryResult> {
    const data = dataOf(channel, info);
    const first = await data.next();
    if (!first.done) return new QueryResult(first.value.header, data, undefined);
    const total = Number(info.total_records ?? -1);
    return new QueryResult(undefined, data, total < 0 ? undefined : total);
  }

  /** The whole result as an Arrow IPC stream, as the server sent it; nothing for a statement without rows. */
  async *ipcStream(): AsyncGenerator<Uint8Array> {
    if (!this.#schemaMessage) return;
    yield encapsulated({ header: this.#schemaMessage, body: new Uint8Array(0) });
    for await (const frame of this.frames()) yield encapsulated(frame);
    yield END_OF_STREAM;
  }

  /** Its dictionary and record batches as the server sent them. */
  async *frames(): AsyncGenerator<Frame> {
    const schema = this.#schemaMessage;
    try {
      for await (const { header, body } of this.#data) {
        // Metadata without a batch, and the schema that every further endpoint begins with.
        if (header.length > 0 && !(schema && Buffer.from(header).equals(schema))) yield { header, body };
      }
    } finally {
      await this.cancel();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RecordBatch> {
    if (!this.#schemaMessage) return;
    const reader = await RecordBatchReader.from(this.ipcStream());
    try {
      for await (const batch of reader) if (batch.numRows > 0) yield batch;
    } finally {
      await this.cancel();
    }
  }

  async toTable(): Promise<Table> {
    const batches: RecordBatch[] = [];
    for await (const batch of this) batches.push(batch);
    return new Table(this.schema, batches);
  }

  async cancel(): Promise<void> {
    await this.#data.return(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel();
  }
}

/** The messages of all endpoints, one after the other. */
async function* dataOf(channel: Channel, info: FlightInfo): AsyncGenerator<FlightData> {
  for (const { ticket } of info.endpoint ?? []) {
    const call = await channel.serverStream("DoGet", Flight.Ticket.encode(ticket ?? {}));
    for await (const bytes of channel.messages(call)) yield decodeFlightData(bytes);
  }
}
