import { setImmediate as nextTurn } from "node:timers/promises";
import type { handleBidiStreamingCall } from "@grpc/grpc-js";
import { LimitError } from "../errors.ts";
import { http2StreamOf } from "./connection.ts";
import { type CallContext, cancelledByClient } from "./context.ts";
import { refuseLargeMessages } from "./message-limit.ts";
import type { Log, Observer } from "./observer.ts";
import { type Call, Responder } from "./responder.ts";
import { type CallStatus, statusName, statusOf } from "./status.ts";

/**
 * grpc-js' callbacks as async generators. Every method is served as a bidirectional stream, which on the wire a call with
 * one message is too, so that cancel, deadline, back-pressure and errors are handled in one place.
 */

/** Takes the client's messages as they arrive and yields the answers; a thrown error becomes the call's status. */
export type Handler = (requests: AsyncIterable<Uint8Array>, context: CallContext) => AsyncIterable<Uint8Array>;

export interface Gate {
  /** Throws to refuse the call; the returned function is called when it is over. */
  enter(context: CallContext): () => void;
}

export interface AdapterOptions {
  readonly gate: Gate;
  readonly openContext: (method: string, call: Call) => CallContext;
  readonly observer: Observer;
  readonly log: Log;
  readonly maxMessageBytes: number;
  readonly idleSeconds: number;
}

export function adapt(
  method: string,
  handler: Handler,
  options: AdapterOptions,
): handleBidiStreamingCall<Uint8Array, Uint8Array> {
  return (call) => void serve(method, call, handler, options);
}

async function serve(method: string, call: Call, handler: Handler, options: AdapterOptions): Promise<void> {
  const startedMs = performance.now();
  const context = options.openContext(method, call);
  const responder = new Responder(call, context, {
    idleSeconds: options.idleSeconds,
    onIdle: () => options.observer.leftAlone("answer"),
  });
  refuseLargeMessages(call, options.maxMessageBytes, (error) => context.abort(error));
  let leave: (() => void) | undefined;
  let status: CallStatus | undefined;
  try {
    leave = options.gate.enter(context);
    for await (const response of handler(requestsOf(call, context), context)) await responder.write(response);
  } catch (error) {
    const reason = context.abortReason ?? error;
    if (reason instanceof LimitError) options.observer.refused(reason.limit);
    status = statusOf(reason, options.log, { method, command: context.command });
  } finally {
    context.release();
  }
  const code = statusName(await responder.end(status));
  leave?.();
  const parent = context.metadata.get("traceparent")[0]?.toString();
  options.observer.request(method, context.command, code, performance.now() - startedMs, parent);
}

/**
 * The client's messages up to its half-close. Node ends a stream's readable side also when the client resets it or is
 * gone, and grpc-js passes that on as a half-close, with the cancel a few ticks behind: taken for the end, half of an
 * ingest would be committed. A stream whose answer is still to come is closed only in that case.
 */
async function* requestsOf(call: Call, context: CallContext): AsyncGenerator<Uint8Array> {
  limitReadAhead(call);
  // The default iterator destroys the call when the client half-closes or the reader stops, and the answer is lost.
  const messages = call.iterator({ destroyOnReturn: false });
  try {
    for await (const message of messages) yield message as Uint8Array;
  } catch (error) {
    context.throwIfAborted();
    throw error;
  }
  await nextTurn();
  context.throwIfAborted();
  if (http2StreamOf(call)?.closed) throw cancelledByClient();
}

/**
 * Node reads 16 objects ahead of an object stream's reader; with batches of 100 MB that is the memory of the machine.
 * The limit is fixed when grpc-js constructs the stream, without a way to choose it.
 */
function limitReadAhead(call: Call): void {
  const state: unknown = Reflect.get(call, "_readableState");
  if (typeof state === "object" && state !== null) Reflect.set(state, "highWaterMark", 1);
}
