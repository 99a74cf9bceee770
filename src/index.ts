/** What the package gives to programs: a Flight SQL client of the server. The server itself is the command `eider`. */
export type { TlsOptions } from "./client/address.ts";
export type { ConnectOptions } from "./client/channel.ts";
export { connect, EiderClient, type IngestOptions } from "./client/client.ts";
export { FlightError } from "./client/flight-error.ts";
export type { BatchLike, EncodedBatch } from "./client/ipc.ts";
export type { Ack, PutOptions, PutSummary } from "./client/put.ts";
export type { QueryResult } from "./client/query-result.ts";
export type { TableName } from "./client/table-name.ts";
