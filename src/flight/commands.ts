import { isUtf8 } from "node:buffer";
import { EiderError } from "../errors.ts";
import { unpackAny } from "../wire/any.ts";
import { DESCRIPTOR_PATH, type FlightDescriptor, type FlightInfo, type Query, Sql } from "../wire/messages.ts";
import type { Frame } from "./backend.ts";
import { endpointOf, rowsInfo } from "./flight-info.ts";
import { ingest } from "./ingest.ts";
import { METADATA, type MetadataHandler } from "./metadata.ts";
import { bindPrepared, preparedFrames, preparedInfo, preparedSchema, updatePrepared } from "./prepared.ts";
import { putPath } from "./put.ts";
import { type PutMessages, readParameters } from "./put-messages.ts";
import type { Env } from "./services.ts";
import { pathQuery, queryFrames, queryInfo, querySchema, runUpdate } from "./statement.ts";

/** What a command answers to each RPC. A missing one is UNIMPLEMENTED, with the names of both. */
interface Command {
  /** GetFlightInfo */
  readonly info?: (value: Uint8Array, descriptor: FlightDescriptor, env: Env) => Promise<FlightInfo>;
  /** GetSchema: a bare schema message. */
  readonly schema?: (value: Uint8Array, env: Env) => Promise<Uint8Array>;
  /** DoGet: the schema's frame first. */
  readonly get?: (value: Uint8Array, env: Env) => AsyncIterable<Frame>;
  /** DoPut: yields the `app_metadata` of the PutResults. */
  readonly put?: (value: Uint8Array, messages: PutMessages, env: Env) => AsyncIterable<Uint8Array>;
}

async function* updateResult(count: Promise<number>): AsyncGenerator<Uint8Array> {
  yield Sql.DoPutUpdateResult.encode({ record_count: await count });
}

const queryCommand = (decode: (value: Uint8Array) => Query): Command => ({
  info: (value, descriptor, env) => queryInfo(decode(value), descriptor, env),
  schema: (value, env) => querySchema(decode(value), env),
  get: (value, env) => queryFrames(decode(value), env),
});

const metadataCommand = (handler: MetadataHandler): Command => ({
  info: async (value, descriptor, { context }) => {
    await context.record();
    return rowsInfo(descriptor, handler.schema(value), endpointOf(descriptor.cmd ?? new Uint8Array(0)));
  },
  schema: async (value) => handler.schema(value),
  get: (value, env) => handler.frames(value, env),
});

/** SQL as the descriptor's or ticket's plain text, as scripts send it; rows put to it are its parameters. */
const SQL_TEXT: Command = {
  ...queryCommand((value) => ({ query: Buffer.from(value).toString("utf8") })),
  async *put(value, messages, env) {
    const parameters = await readParameters(messages, env.services.limits.maxParameterBytes);
    yield* updateResult(runUpdate({ query: Buffer.from(value).toString("utf8") }, parameters, env));
  },
};

const NOTHING_TO_DO: Command = {};

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ...[...METADATA].map(([name, handler]) => [name, metadataCommand(handler)] as const),
  ["CommandStatementQuery", queryCommand((value) => Sql.CommandStatementQuery.decode(value))],
  [
    "CommandStatementUpdate",
    {
      put: (value, _messages, env) => updateResult(runUpdate(Sql.CommandStatementUpdate.decode(value), undefined, env)),
    },
  ],
  [
    "CommandPreparedStatementQuery",
    {
      info: (value, descriptor, env) => preparedInfo(Sql.CommandPreparedStatementQuery.decode(value), descriptor, env),
      schema: (value, env) => preparedSchema(Sql.CommandPreparedStatementQuery.decode(value), env),
      get: (value, env) => preparedFrames(Sql.CommandPreparedStatementQuery.decode(value), env),
      async *put(value, messages, env) {
        const parameters = await readParameters(messages, env.services.limits.maxParameterBytes);
        const handle = await bindPrepared(Sql.CommandPreparedStatementQuery.decode(value), parameters, env);
        yield Sql.DoPutPreparedStatementResult.encode(handle);
      },
    },
  ],
  [
    "CommandPreparedStatementUpdate",
    {
      async *put(value, messages, env) {
        const parameters = await readParameters(messages, env.services.limits.maxParameterBytes);
        yield* updateResult(updatePrepared(Sql.CommandPreparedStatementUpdate.decode(value), parameters, env));
      },
    },
  ],
  [
    "CommandStatementIngest",
    { put: (value, messages, env) => updateResult(ingest(Sql.CommandStatementIngest.decode(value), messages, env)) },
  ],
  [
    "TicketStatementQuery",
    {
      async *get(value, { context, services }) {
        const handle = Sql.TicketStatementQuery.decode(value).statement_handle ?? new Uint8Array(0);
        yield* services.tickets.redeem(Buffer.from(handle).toString("utf8"), context);
      },
    },
  ],
  ["CommandStatementSubstraitPlan", NOTHING_TO_DO],
]);

interface Found {
  readonly name: string;
  readonly command: Command;
  readonly value: Uint8Array;
}

function find(bytes: Uint8Array, { context }: Env): Found {
  const packed = unpackAny(bytes);
  if (packed) {
    const command = COMMANDS.get(packed.name);
    context.command = command ? packed.name : "unknown";
    if (!command) throw new EiderError("not_implemented", `the command ${packed.name} is not known`);
    return { name: packed.name, command, value: packed.value };
  }
  context.command = "sql";
  if (bytes.length === 0 || !isUtf8(bytes)) {
    throw new EiderError(
      "request_invalid",
      "the command is neither a Flight SQL command (a google.protobuf.Any) nor SQL as UTF-8 text",
    );
  }
  return { name: "SQL text", command: SQL_TEXT, value: bytes };
}

function describe(descriptor: FlightDescriptor, env: Env): Found {
  if (descriptor.type !== DESCRIPTOR_PATH) return find(descriptor.cmd ?? new Uint8Array(0), env);
  env.context.command = "path";
  const query = pathQuery(descriptor.path ?? []);
  return { name: "a path", command: SQL_TEXT, value: Buffer.from(query.query ?? "") };
}

function unsupported(name: string, method: string): EiderError {
  return new EiderError("not_implemented", `${method} of ${name} is not implemented`);
}

export async function getFlightInfo(descriptor: FlightDescriptor, env: Env): Promise<FlightInfo> {
  const { name, command, value } = describe(descriptor, env);
  if (!command.info) throw unsupported(name, "GetFlightInfo");
  return await command.info(value, descriptor, env);
}

export async function getSchema(descriptor: FlightDescriptor, env: Env): Promise<Uint8Array> {
  const { name, command, value } = describe(descriptor, env);
  if (!command.schema) throw unsupported(name, "GetSchema");
  return await command.schema(value, env);
}

export function doGet(ticket: Uint8Array, env: Env): AsyncIterable<Frame> {
  const { name, command, value } = find(ticket, env);
  if (!command.get) throw unsupported(name, "DoGet");
  return command.get(value, env);
}

export function doPut(descriptor: FlightDescriptor, messages: PutMessages, env: Env): AsyncIterable<Uint8Array> {
  if (descriptor.type === DESCRIPTOR_PATH) {
    env.context.command = "path";
    return putPath(descriptor.path ?? [], messages, env);
  }
  const { name, command, value } = find(descriptor.cmd ?? new Uint8Array(0), env);
  if (!command.put) throw unsupported(name, "DoPut");
  return command.put(value, messages, env);
}
