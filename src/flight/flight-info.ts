import { encapsulate, NO_COLUMNS } from "../arrow/schema.ts";
import type { FlightDescriptor, FlightEndpoint, FlightInfo, Timestamp } from "../wire/messages.ts";

const NOTHING = new Uint8Array(0);
const UNKNOWN = -1;

/** A schema as FlightInfo, SchemaResult and the prepared statement's result carry it; empty when it is not known. */
export function schemaBytes(schema: Uint8Array | undefined): Uint8Array {
  return schema ? encapsulate(schema) : NOTHING;
}

/**
 * Rows to fetch. `schema` must be the very schema that DoGet will send: ADBC compares them and refuses a guess. No
 * location: the ticket is for this connection; an address of ours could be one that the client cannot reach.
 */
export function rowsInfo(
  descriptor: FlightDescriptor,
  schema: Uint8Array | undefined,
  ...endpoint: FlightEndpoint[]
): FlightInfo {
  return {
    schema: schemaBytes(schema),
    flight_descriptor: descriptor,
    endpoint,
    total_records: UNKNOWN,
    total_bytes: UNKNOWN,
    // The endpoints' rows, one after the other, come as the query orders them.
    ordered: true,
  };
}

export function endpointOf(ticket: Uint8Array): FlightEndpoint {
  return { ticket: { ticket } };
}

/** google.protobuf.Timestamp */
export function timestampOf(unixMs: number): Timestamp {
  const seconds = Math.floor(unixMs / 1000);
  return { seconds, nanos: Math.floor((unixMs - seconds * 1000) * 1e6) };
}

/**
 * A statement that was executed and has no rows: no endpoint, so that no client fetches (and runs) it again. Its schema
 * has no columns; with no schema at all ADBC refuses the answer.
 */
export function countInfo(descriptor: FlightDescriptor, count: number): FlightInfo {
  return {
    schema: schemaBytes(NO_COLUMNS),
    flight_descriptor: descriptor,
    endpoint: [],
    total_records: count,
    total_bytes: UNKNOWN,
  };
}
