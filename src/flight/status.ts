import { randomUUID } from "node:crypto";
import { status as grpcStatus, Metadata } from "@grpc/grpc-js";
import { wellFormed } from "../base/well-formed.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Log } from "./observer.ts";

export interface CallStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** The trailer that tells a client which row of the error table it met. ADBC shows it as an error detail. */
export const ERROR_CODE_HEADER = "x-eider-error-code";
/** The trailer that names an internal error in the server's log. */
export const REFERENCE_HEADER = "x-eider-reference";

/**
 * Of the text as it is sent: percent-encoded UTF-8 in a trailer. gRPC's C++ clients (pyarrow) refuse trailers of more than 16 KiB
 * in words of their own, and from 8 KiB on some of them.
 */
const MESSAGE_LIMIT_BYTES = 7 * 1024;
const CUT = " … (cut)";

/**
 * The gRPC status of whatever was thrown. An EiderError is told whole; anything else is our own bug: the client gets a
 * reference, the log the error.
 */
export function statusOf(error: unknown, log: Log, call: { method: string; command: string }): CallStatus {
  const metadata = new Metadata();
  if (error instanceof EiderError && error.code !== "internal") {
    metadata.set(ERROR_CODE_HEADER, error.code);
    // The message is the client's, and keeps from it what the operator needs.
    const cause = error.code === "disk_full" && error.cause !== undefined ? { cause: messageOf(error.cause) } : {};
    log[error.row.level]({ code: error.code, ...call, message: error.message, ...cause }, "call failed");
    return { code: error.row.grpc, details: sendable(error.message), metadata };
  }
  const reference = randomUUID();
  metadata.set(ERROR_CODE_HEADER, "internal");
  metadata.set(REFERENCE_HEADER, reference);
  log.error({ err: error, reference, ...call }, "call failed with an internal error");
  const text = error instanceof EiderError ? messageOf(error) : "internal error";
  return { code: grpcStatus.INTERNAL, details: sendable(`${text} (reference ${reference})`), metadata };
}

export function statusName(code: number): string {
  return grpcStatus[code] ?? String(code);
}

/** grpc-js encodes the text with encodeURI, which throws at half a surrogate pair. */
function sendable(text: string): string {
  let kept = wellFormed(text);
  if (encodeURI(kept).length <= MESSAGE_LIMIT_BYTES) return kept;
  let low = 0;
  let high = Math.min(kept.length, MESSAGE_LIMIT_BYTES);
  const room = MESSAGE_LIMIT_BYTES - encodeURI(CUT).length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (encodeURI(wellFormed(kept.slice(0, middle))).length <= room) low = middle;
    else high = middle - 1;
  }
  kept = wellFormed(kept.slice(0, low));
  return kept + CUT;
}
