import { packAny } from "../wire/any.ts";
import { encodeFlightData } from "../wire/flight-data.ts";
import { DESCRIPTOR_CMD, Flight, Sql } from "../wire/messages.ts";
import { Channel, type ConnectOptions } from "./channel.ts";
import { type BatchLike, encodeBatch } from "./ipc.ts";
import { Put, type PutOptions, type PutSummary } from "./put.ts";
import { PutCall } from "./put-call.ts";
import { QueryResult } from "./query-result.ts";
import { requireSameSchema } from "./same-schema.ts";
import { quotedName, type TableName, tableParts } from "./table-name.ts";

export interface IngestOptions {
  /** What to do about the table. Default `append`: it must exist. */
  readonly mode?: "create" | "append" | "replace" | "create_append";
  /** Into a table of this session alone. */
  readonly temporary?: boolean;
}

/** TableDefinitionOptions of CommandStatementIngest: TableNotExistOption and TableExistsOption. */
const INGEST_MODES = {
  create: { if_not_exist: 1, if_exists: 1 },
  append: { if_not_exist: 2, if_exists: 2 },
  replace: { if_not_exist: 1, if_exists: 3 },
  create_append: { if_not_exist: 1, if_exists: 2 },
} as const;

const NO_BYTES = new Uint8Array(0);

/** Begins a session. Rejects with a FlightError when the server cannot be reached or does not let the caller in. */
export async function connect(uri: string, options: ConnectOptions = {}): Promise<EiderClient> {
  const channel = new Channel(uri, options);
  try {
    await channel.signIn();
    return new EiderClient(channel);
  } catch (error) {
    channel[Symbol.dispose]();
    throw error;
  }
}

/** A session of the server; calls may overlap. Errors are FlightErrors. */
export class EiderClient implements AsyncDisposable {
  readonly #channel: Channel;

  /** Use `connect`. */
  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Runs one statement. Its rows are computed while they are read. */
  async query(sql: string): Promise<QueryResult> {
    const cmd = packAny(Sql.CommandStatementQuery, { query: sql });
    const descriptor = { type: DESCRIPTOR_CMD, cmd };
    const info = await this.#channel.unary("GetFlightInfo", Flight.FlightDescriptor, descriptor, Flight.FlightInfo);
    return await QueryResult.open(this.#channel, info);
  }

  /** Runs one statement to its end; resolves to the number of rows changed, -1 where the server does not say. */
  async execute(sql: string): Promise<number> {
    return await this.#update(packAny(Sql.CommandStatementUpdate, { query: sql }), NO_BYTES, []);
  }

  /**
   * Bulk ingest: all of the batches or none. Resolves to the number of rows once they are durable. It has no token: when
   * the connection breaks nobody can say whether the rows were stored; `put` is the way that may be repeated.
   */
  async ingest(
    table: TableName,
    batches: AsyncIterable<BatchLike> | Iterable<BatchLike>,
    options: IngestOptions = {},
  ): Promise<number> {
    const [name = "", schema] = [...tableParts(table)].reverse();
    const command = packAny(Sql.CommandStatementIngest, {
      table: name,
      ...(schema === undefined ? {} : { schema }),
      temporary: options.temporary ?? false,
      table_definition_options: INGEST_MODES[options.mode ?? "append"],
    });
    return await this.#update(command, undefined, batches);
  }

  /** Appends to a table's buffer; each batch is durable when it is acknowledged. Repeats by itself (see PutOptions). */
  async put(
    table: TableName,
    batches: AsyncIterable<BatchLike> | Iterable<BatchLike>,
    options: PutOptions = {},
  ): Promise<PutSummary> {
    return await new Put(this.#channel, tableParts(table), batches, options).run();
  }

  /** Resolves once all rows that wait for the table, or for any, are committed to the lake. */
  async flush(table?: TableName): Promise<void> {
    const argument = table === undefined ? "" : `'${quotedName(table).replaceAll("'", "''")}'`;
    await this.execute(`CALL duckling_queue_flush(${argument})`);
  }

  /** Ends the session and closes the connection. */
  async close(): Promise<void> {
    try {
      const action = { type: "CloseSession", body: Flight.CloseSessionRequest.encode({}) };
      await this.#channel.unary("DoAction", Flight.Action, action, Flight.Result);
    } catch {
      // A server that is gone, or has ended the session by itself.
    } finally {
      this.#channel[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A DoPut that is answered by one count. Without `header` the stream begins with the first batch's schema. */
  async #update(
    command: Buffer,
    header: Uint8Array | undefined,
    batches: AsyncIterable<BatchLike> | Iterable<BatchLike>,
  ): Promise<number> {
    const descriptor = Flight.FlightDescriptor.encode({ type: DESCRIPTOR_CMD, cmd: command });
    let count = -1;
    const call = new PutCall(await this.#channel.duplex("DoPut"), (metadata) => {
      count = Number(Sql.DoPutUpdateResult.decode(metadata).record_count ?? 0);
    });
    let opened: Uint8Array | undefined;
    const open = async (schema: Uint8Array) => {
      await call.write(encodeFlightData({ descriptor, header: schema, body: NO_BYTES }));
      opened = schema;
    };
    let index = 0;
    try {
      if (header) await open(header);
      for await (const batch of batches) {
        const { schema, frames } = encodeBatch(batch);
        if (!opened) await open(schema);
        else requireSameSchema(opened, schema, index);
        index++;
        for (const frame of frames) await call.write(encodeFlightData(frame));
      }
      if (!opened)
        throw new TypeError("there is no batch: the table's columns are those of the first; give an empty one");
      await call.finish();
      return count;
    } catch (error) {
      call.cancel();
      throw this.#channel.failed(error);
    }
  }
}
