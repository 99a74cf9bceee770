/**
 * Every error that a user can meet, as one table: code → gRPC status, HTTP status, whether trying again can help.
 * Both transports, the logs and the documentation read this table; nothing else maps errors to statuses.
 */

/** gRPC status numbers (https://grpc.io/docs/guides/status-codes/), spelled out so that no transport is imported here. */
const OK_CANCELLED = 1;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const DATA_LOSS = 15;
const UNAUTHENTICATED = 16;

export interface ErrorRow {
  readonly grpc: number;
  readonly http: number;
  /** True when the same request may succeed later without being changed. */
  readonly retryable: boolean;
  readonly level: "debug" | "info" | "warn" | "error";
}

export const ERRORS = {
  sql_invalid: { grpc: INVALID_ARGUMENT, http: 400, retryable: false, level: "debug" },
  request_invalid: { grpc: INVALID_ARGUMENT, http: 400, retryable: false, level: "debug" },
  not_a_read: { grpc: INVALID_ARGUMENT, http: 400, retryable: false, level: "debug" },
  not_acceptable: { grpc: INVALID_ARGUMENT, http: 406, retryable: false, level: "debug" },
  schema_mismatch: { grpc: INVALID_ARGUMENT, http: 400, retryable: false, level: "debug" },
  type_unsupported: { grpc: INVALID_ARGUMENT, http: 400, retryable: false, level: "debug" },
  constraint_violated: { grpc: INVALID_ARGUMENT, http: 400, retryable: false, level: "debug" },
  method_not_allowed: { grpc: UNIMPLEMENTED, http: 405, retryable: false, level: "debug" },
  not_found: { grpc: NOT_FOUND, http: 404, retryable: false, level: "debug" },
  table_not_found: { grpc: NOT_FOUND, http: 404, retryable: false, level: "debug" },
  already_exists: { grpc: ALREADY_EXISTS, http: 409, retryable: false, level: "debug" },
  // Told in few lines, however many come: access/refusals.ts.
  unauthenticated: { grpc: UNAUTHENTICATED, http: 401, retryable: false, level: "debug" },
  throttled: { grpc: RESOURCE_EXHAUSTED, http: 429, retryable: true, level: "debug" },
  forbidden: { grpc: PERMISSION_DENIED, http: 403, retryable: false, level: "info" },
  transaction_aborted: { grpc: FAILED_PRECONDITION, http: 409, retryable: false, level: "debug" },
  primary_key_missing: { grpc: FAILED_PRECONDITION, http: 409, retryable: false, level: "debug" },
  write_conflict: { grpc: ABORTED, http: 409, retryable: true, level: "info" },
  cancelled: { grpc: OK_CANCELLED, http: 499, retryable: false, level: "debug" },
  deadline_exceeded: { grpc: DEADLINE_EXCEEDED, http: 504, retryable: true, level: "info" },
  buffer_full: { grpc: RESOURCE_EXHAUSTED, http: 429, retryable: true, level: "warn" },
  buffer_unavailable: { grpc: UNAVAILABLE, http: 503, retryable: true, level: "error" },
  out_of_memory: { grpc: RESOURCE_EXHAUSTED, http: 429, retryable: true, level: "warn" },
  disk_full: { grpc: RESOURCE_EXHAUSTED, http: 507, retryable: true, level: "error" },
  too_large: { grpc: RESOURCE_EXHAUSTED, http: 413, retryable: false, level: "info" },
  limit_exceeded: { grpc: RESOURCE_EXHAUSTED, http: 429, retryable: true, level: "info" },
  lake_unavailable: { grpc: UNAVAILABLE, http: 503, retryable: true, level: "warn" },
  shutting_down: { grpc: UNAVAILABLE, http: 503, retryable: true, level: "info" },
  not_implemented: { grpc: UNIMPLEMENTED, http: 501, retryable: false, level: "debug" },
  segment_damaged: { grpc: DATA_LOSS, http: 500, retryable: false, level: "error" },
  config_invalid: { grpc: FAILED_PRECONDITION, http: 500, retryable: false, level: "error" },
  internal: { grpc: INTERNAL, http: 500, retryable: false, level: "error" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** An error that is meant for the client: its message says what happened and, where it can, what to do. */
export class EiderError extends Error {
  override readonly name = "EiderError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** Codes of what a limit refuses: `too_large` stays so however often it is tried. */
type LimitCode = "limit_exceeded" | "too_large" | "buffer_full";

/** A limit that is a setting has been reached. Whoever answers the call counts it by `limit`, the setting's name. */
export class LimitError extends EiderError {
  readonly limit: string;

  /** `message`: names the setting and its value, and says what to do. */
  constructor(code: LimitCode, limit: string, message: string) {
    super(code, message);
    this.limit = limit;
  }
}

/** The error's text whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
