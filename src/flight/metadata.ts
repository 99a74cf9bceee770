import { encodeSchema } from "../arrow/schema.ts";
import { Sql } from "../wire/messages.ts";
import type { Frame } from "./backend.ts";
import { METADATA_SCHEMAS, type MetadataCommand, metadataSchema, XDBC_TYPE_INFO_SCHEMA } from "./metadata-schemas.ts";
import { framesOf } from "./result.ts";
import type { Env } from "./services.ts";
import { SQL_INFO_SCHEMA, sqlInfoFrames } from "./sql-info.ts";
import { xdbcTypeInfo } from "./xdbc-type-info.ts";

/** A command whose schema is known beforehand and whose ticket is the command itself. */
export interface MetadataHandler {
  /** Bare schema message. */
  schema(value: Uint8Array): Uint8Array;
  /** Schema first. */
  frames(value: Uint8Array, env: Env): AsyncIterable<Frame>;
}

const NO_BODY = new Uint8Array(0);

function ofBackend(command: MetadataCommand): MetadataHandler {
  const request = (value: Uint8Array) => Sql[command].decode(value) as Readonly<Record<string, unknown>>;
  const schema = (value: Uint8Array) => encodeSchema(metadataSchema(command, request(value)));
  return {
    schema,
    async *frames(value, { context }) {
      const session = await context.session();
      const rows = await session.metadata(command, request(value));
      let first = true;
      // The schema that FlightInfo announced, bit for bit, in place of the backend's.
      for await (const frame of framesOf(rows, context.signal)) {
        yield first ? { header: schema(value), body: NO_BODY } : frame;
        first = false;
      }
    },
  };
}

function ofTable(schema: Uint8Array, frames: (value: Uint8Array, env: Env) => readonly Frame[]): MetadataHandler {
  return {
    schema: () => schema,
    async *frames(value, env) {
      // Begins the session where there is none: this is the first call of many clients, and its answer names it.
      await env.context.record();
      yield { header: schema, body: NO_BODY };
      yield* frames(value, env);
    },
  };
}

const backendCommands = Object.keys(METADATA_SCHEMAS) as MetadataCommand[];

export const METADATA: ReadonlyMap<string, MetadataHandler> = new Map<string, MetadataHandler>([
  ...backendCommands.map((command) => [command, ofBackend(command)] as const),
  [
    "CommandGetSqlInfo",
    ofTable(encodeSchema(SQL_INFO_SCHEMA), (value, { services }) =>
      sqlInfoFrames(services.info, Sql.CommandGetSqlInfo.decode(value).info ?? []),
    ),
  ],
  [
    "CommandGetXdbcTypeInfo",
    ofTable(encodeSchema(XDBC_TYPE_INFO_SCHEMA), (value) =>
      xdbcTypeInfo(Sql.CommandGetXdbcTypeInfo.decode(value).data_type),
    ),
  ],
]);
