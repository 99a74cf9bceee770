import { type ServiceError, status } from "@grpc/grpc-js";
import { ERRORS, type ErrorCode } from "../errors.ts";

/** The trailer in which the server names the row of its table of errors. */
const ERROR_CODE_HEADER = "x-eider-error-code";

/** What a call to the server failed with. */
export class FlightError extends Error {
  override readonly name = "FlightError";
  /** gRPC's name of the status: UNAVAILABLE, INVALID_ARGUMENT, … */
  readonly status: string;
  /** The server's own code (`sql_invalid`, `buffer_full`, …); undefined when the call did not reach it. */
  readonly code: ErrorCode | undefined;
  /** True when the same call may succeed later. Whether it had an effect is another question, save for what has a token. */
  readonly isRetryable: boolean;

  constructor(statusCode: number, message: string, options: { code?: ErrorCode | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = status[statusCode] ?? String(statusCode);
    this.code = options.code;
    this.isRetryable = this.code === undefined ? isTransport(statusCode) : ERRORS[this.code].retryable;
  }
}

/** A connection that breaks is UNAVAILABLE, or INTERNAL when grpc-js saw the stream's reset first. */
function isTransport(statusCode: number): boolean {
  return statusCode === status.UNAVAILABLE || statusCode === status.INTERNAL;
}

/** The FlightError of what grpc-js threw; other errors stay what they are. */
export function flightErrorOf(error: unknown): Error {
  if (!isServiceError(error)) return error instanceof Error ? error : new Error(String(error));
  const sent = String(error.metadata?.get(ERROR_CODE_HEADER)[0] ?? "");
  const code = Object.hasOwn(ERRORS, sent) ? (sent as ErrorCode) : undefined;
  return new FlightError(error.code, error.details, { code, cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof Reflect.get(error, "code") === "number" && "details" in error;
}
