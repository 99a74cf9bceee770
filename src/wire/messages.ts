import type { Codec } from "./proto.ts";
import { codecOf, FLIGHT_PACKAGE, SQL_PACKAGE } from "./proto.ts";

/** The messages as TypeScript sees them after decoding (`proto.ts`): every field may be absent. */

// biome-ignore lint/complexity/noBannedTypes: a message without fields
export type Empty = {};

export interface HandshakeMessage {
  readonly protocol_version?: string;
  readonly payload?: Uint8Array;
}

export interface BasicAuth {
  readonly username?: string;
  readonly password?: string;
}

export interface ActionType {
  readonly type: string;
  readonly description: string;
}

export interface Criteria {
  readonly expression?: Uint8Array;
}

export interface Action {
  readonly type?: string;
  readonly body?: Uint8Array;
}

export interface Result {
  readonly body: Uint8Array;
}

export interface SchemaResult {
  readonly schema: Uint8Array;
}

/** FlightDescriptor.type */
export const DESCRIPTOR_PATH = 1;
export const DESCRIPTOR_CMD = 2;

export interface FlightDescriptor {
  readonly type?: number;
  readonly cmd?: Uint8Array;
  readonly path?: readonly string[];
}

export interface Timestamp {
  readonly seconds?: string | number;
  readonly nanos?: number;
}

export interface Ticket {
  readonly ticket?: Uint8Array;
}

export interface FlightEndpoint {
  readonly ticket?: Ticket;
  readonly expiration_time?: Timestamp;
  readonly app_metadata?: Uint8Array;
}

export interface FlightInfo {
  readonly schema?: Uint8Array;
  readonly flight_descriptor?: FlightDescriptor;
  readonly endpoint?: readonly FlightEndpoint[];
  readonly total_records?: string | number;
  readonly total_bytes?: string | number;
  readonly ordered?: boolean;
  readonly app_metadata?: Uint8Array;
}

export interface PollInfo {
  readonly info: FlightInfo;
  readonly flight_descriptor?: FlightDescriptor;
  readonly progress?: number;
  readonly expiration_time?: Timestamp;
}

export interface PutResult {
  readonly app_metadata: Uint8Array;
}

export interface SessionOptionMessage {
  readonly string_value?: string;
  readonly bool_value?: boolean;
  readonly int64_value?: string;
  readonly double_value?: number;
  readonly string_list_value?: { readonly values?: readonly string[] };
}

export interface SessionOptions {
  readonly session_options?: Readonly<Record<string, SessionOptionMessage>>;
}

export interface Handle {
  readonly prepared_statement_handle?: Uint8Array;
}

export interface Query {
  readonly query?: string;
  readonly transaction_id?: Uint8Array;
}

export interface IngestCommand {
  readonly table_definition_options?: { readonly if_not_exist?: number; readonly if_exists?: number };
  readonly table?: string;
  readonly schema?: string;
  readonly catalog?: string;
  readonly temporary?: boolean;
  readonly transaction_id?: Uint8Array;
  readonly options?: Readonly<Record<string, string>>;
}

export interface PreparedResult {
  readonly prepared_statement_handle: Uint8Array;
  readonly dataset_schema: Uint8Array;
  readonly parameter_schema: Uint8Array;
  readonly is_update: boolean;
}

export interface TransactionId {
  readonly transaction_id?: Uint8Array;
}

export interface Any {
  readonly type_url?: string;
  readonly value?: Uint8Array;
}

const flight = <T extends object>(name: string): Codec<T> => codecOf<T>(`${FLIGHT_PACKAGE}.${name}`);
const sql = <T extends object>(name: string): Codec<T> => codecOf<T>(`${SQL_PACKAGE}.${name}`);

export const AnyCodec = codecOf<Any>("google.protobuf.Any");

/** Messages that are sent as they are. */
export const Flight = {
  Empty: flight<Empty>("Empty"),
  HandshakeRequest: flight<HandshakeMessage>("HandshakeRequest"),
  HandshakeResponse: flight<HandshakeMessage>("HandshakeResponse"),
  BasicAuth: flight<BasicAuth>("BasicAuth"),
  ActionType: flight<ActionType>("ActionType"),
  Criteria: flight<Criteria>("Criteria"),
  Action: flight<Action>("Action"),
  Result: flight<Result>("Result"),
  SchemaResult: flight<SchemaResult>("SchemaResult"),
  FlightDescriptor: flight<FlightDescriptor>("FlightDescriptor"),
  FlightInfo: flight<FlightInfo>("FlightInfo"),
  PollInfo: flight<PollInfo>("PollInfo"),
  Ticket: flight<Ticket>("Ticket"),
  FlightEndpoint: flight<FlightEndpoint>("FlightEndpoint"),
  PutResult: flight<PutResult>("PutResult"),
  CancelFlightInfoRequest: flight<{ readonly info?: FlightInfo }>("CancelFlightInfoRequest"),
  CancelFlightInfoResult: flight<{ readonly status: number }>("CancelFlightInfoResult"),
  RenewFlightEndpointRequest: flight<{ readonly endpoint?: FlightEndpoint }>("RenewFlightEndpointRequest"),
  SetSessionOptionsRequest: flight<SessionOptions>("SetSessionOptionsRequest"),
  SetSessionOptionsResult: flight<{ readonly errors: Record<string, { value: number }> }>("SetSessionOptionsResult"),
  GetSessionOptionsRequest: flight<Empty>("GetSessionOptionsRequest"),
  GetSessionOptionsResult: flight<SessionOptions>("GetSessionOptionsResult"),
  CloseSessionRequest: flight<Empty>("CloseSessionRequest"),
  CloseSessionResult: flight<{ readonly status: number }>("CloseSessionResult"),
} as const;

/** Messages that travel inside an `Any`, and the two results inside a PutResult. */
export const Sql = {
  CommandGetSqlInfo: sql<{ readonly info?: readonly number[] }>("CommandGetSqlInfo"),
  CommandGetXdbcTypeInfo: sql<{ readonly data_type?: number }>("CommandGetXdbcTypeInfo"),
  CommandGetCatalogs: sql<Empty>("CommandGetCatalogs"),
  CommandGetDbSchemas: sql<Empty>("CommandGetDbSchemas"),
  CommandGetTables: sql<{ readonly include_schema?: boolean; readonly table_types?: readonly string[] }>(
    "CommandGetTables",
  ),
  CommandGetTableTypes: sql<Empty>("CommandGetTableTypes"),
  CommandGetPrimaryKeys: sql<Empty>("CommandGetPrimaryKeys"),
  CommandGetExportedKeys: sql<Empty>("CommandGetExportedKeys"),
  CommandGetImportedKeys: sql<Empty>("CommandGetImportedKeys"),
  CommandGetCrossReference: sql<Empty>("CommandGetCrossReference"),
  CommandStatementQuery: sql<Query>("CommandStatementQuery"),
  CommandStatementUpdate: sql<Query>("CommandStatementUpdate"),
  CommandStatementIngest: sql<IngestCommand>("CommandStatementIngest"),
  CommandPreparedStatementQuery: sql<Handle>("CommandPreparedStatementQuery"),
  CommandPreparedStatementUpdate: sql<Handle>("CommandPreparedStatementUpdate"),
  TicketStatementQuery: sql<{ readonly statement_handle?: Uint8Array }>("TicketStatementQuery"),
  DoPutUpdateResult: sql<{ readonly record_count: number }>("DoPutUpdateResult"),
  DoPutPreparedStatementResult: sql<Handle>("DoPutPreparedStatementResult"),
  ActionCreatePreparedStatementRequest: sql<Query>("ActionCreatePreparedStatementRequest"),
  ActionCreatePreparedStatementResult: sql<PreparedResult>("ActionCreatePreparedStatementResult"),
  ActionClosePreparedStatementRequest: sql<Handle>("ActionClosePreparedStatementRequest"),
  ActionBeginTransactionRequest: sql<Empty>("ActionBeginTransactionRequest"),
  ActionBeginTransactionResult: sql<TransactionId>("ActionBeginTransactionResult"),
  ActionEndTransactionRequest: sql<TransactionId & { readonly action?: number }>("ActionEndTransactionRequest"),
  ActionCancelQueryRequest: sql<{ readonly info?: Uint8Array }>("ActionCancelQueryRequest"),
  ActionCancelQueryResult: sql<{ readonly result: number }>("ActionCancelQueryResult"),
} as const;
