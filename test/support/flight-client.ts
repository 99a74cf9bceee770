import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";
import { packAny, unpackAny } from "../../src/wire/any.ts";
import { decodeFlightData } from "../../src/wire/flight-data.ts";
import { DESCRIPTOR_CMD, Flight, type FlightDescriptor, type FlightInfo, Sql } from "../../src/wire/messages.ts";
import type { Codec } from "../../src/wire/proto.ts";

/** A Flight client that shows what others hide: headers, trailers, single messages, and when they come. */

const asIs = (bytes: Buffer) => bytes;
const SERVICE = "/arrow.flight.protocol.FlightService/";

export interface Answer {
  readonly messages: Buffer[];
  readonly headers: Metadata;
  readonly status: StatusObject;
}

export class CallError extends Error {
  readonly code: number;
  readonly trailers: Metadata;

  constructor(error: ServiceError) {
    super(error.details);
    this.code = error.code;
    this.trailers = error.metadata;
  }
}

export class FlightTestClient implements Disposable {
  readonly #client: Client;
  readonly #headers: Readonly<Record<string, string>>;

  /** `userAgent` stands before grpc-js' own. */
  constructor(port: number, headers: Readonly<Record<string, string>> = {}, userAgent?: string) {
    // A pool of its own: clients of one process otherwise share their connections.
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      ...(userAgent === undefined ? {} : { "grpc.primary_user_agent": userAgent }),
    });
    this.#headers = headers;
  }

  open(
    method: string,
    headers: Readonly<Record<string, string>> = {},
    deadlineMs?: number,
  ): ClientDuplexStream<Buffer, Buffer> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries({ ...this.#headers, ...headers })) metadata.set(name, value);
    const path = method.startsWith("/") ? method : SERVICE + method;
    return this.#client.makeBidiStreamRequest(
      path,
      asIs,
      asIs,
      metadata,
      deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
    );
  }

  /** Sends the messages, half-closes, and reads to the end. Rejects with a CallError. */
  call(method: string, messages: readonly Buffer[], headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const call = this.open(method, headers);
    for (const message of messages) call.write(message);
    call.end();
    return answerOf(call);
  }

  async one<T>(
    method: string,
    message: Buffer,
    codec: Codec<T>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const { messages } = await this.call(method, [message], headers);
    const [first] = messages;
    if (!first || messages.length > 1) throw new Error(`${messages.length} messages in place of one`);
    return codec.decode(first);
  }

  info(descriptor: FlightDescriptor, headers: Readonly<Record<string, string>> = {}): Promise<FlightInfo> {
    return this.one("GetFlightInfo", Flight.FlightDescriptor.encode(descriptor), Flight.FlightInfo, headers);
  }

  query(sql: string, headers: Readonly<Record<string, string>> = {}): Promise<FlightInfo> {
    return this.info(sqlDescriptor(sql), headers);
  }

  /** Runs a statement to its end, whatever it answers with. */
  async run(sql: string): Promise<void> {
    const info = await this.query(sql);
    if (info.endpoint?.length) await this.get(ticketOf(info));
  }

  async get(
    ticket: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Array<{ header: Uint8Array; body: Uint8Array }>> {
    const { messages } = await this.call("DoGet", [Flight.Ticket.encode({ ticket })], headers);
    return messages.map((message) => decodeFlightData(message));
  }

  /** The results' bodies of an action. */
  async action(type: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Buffer[]> {
    const { messages } = await this.call("DoAction", [Flight.Action.encode({ type, body })], headers);
    return messages.map((message) => Buffer.from(Flight.Result.decode(message).body));
  }

  async sqlAction<Q, R>(type: string, request: Codec<Q>, value: Q, result: Codec<R>): Promise<R> {
    const [body] = await this.action(type, packAny(request, value));
    const packed = unpackAny(body ?? Buffer.alloc(0));
    if (packed?.name !== result.name) throw new Error(`${packed?.name} in place of ${result.name}`);
    return result.decode(packed.value);
  }

  prepare(query: string) {
    return this.sqlAction(
      "CreatePreparedStatement",
      Sql.ActionCreatePreparedStatementRequest,
      { query },
      Sql.ActionCreatePreparedStatementResult,
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

export function sqlDescriptor(sql: string): FlightDescriptor {
  return { type: DESCRIPTOR_CMD, cmd: packAny(Sql.CommandStatementQuery, { query: sql }) };
}

export function ticketOf(info: FlightInfo): Uint8Array {
  const ticket = info.endpoint?.[0]?.ticket?.ticket;
  if (!ticket) throw new Error("the info has no ticket");
  return ticket;
}

export function answerOf(call: ClientDuplexStream<Buffer, Buffer>): Promise<Answer> {
  const messages: Buffer[] = [];
  let headers = new Metadata();
  call.on("metadata", (received: Metadata) => {
    headers = received;
  });
  call.on("data", (message: Buffer) => messages.push(message));
  return new Promise((resolve, reject) => {
    call.on("error", (error: ServiceError) => reject(new CallError(error)));
    call.on("status", (status: StatusObject) => {
      if (status.code === 0) resolve({ messages, headers, status });
    });
  });
}

/** Resolves when the condition holds; for things that happen after an answer was sent. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
