import type { handleBidiStreamingCall, Metadata, ServerDuplexStream } from "@grpc/grpc-js";
import { EiderError } from "../errors.ts";
import { type CallContext, cancelledByClient } from "./context.ts";
import type { Log, Observer } from "./observer.ts";
import { statusName, statusOf } from "./status.ts";

/**
 * grpc-js' callbacks as async generators. Every method is served as a bidirectional stream, which on the wire a call with
 * one message is too, so that cancel, deadline, back-pressure and errors are handled in one place.
 */
export type Call = ServerDuplexStream<Uint8Array, Uint8Array>;

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
}

/** Messages handed to HTTP/2 and not yet taken by it, per call: with results of at most 2 MiB each. */
const WRITES_AHEAD = 4;

const OK = 0;

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
  const over = watch(call, context);
  let leave: (() => void) | undefined;
  let code = OK;
  try {
    leave = options.gate.enter(context);
    await answer(call, handler(requestsOf(call, context), context), context);
    over.finish();
    call.end();
  } catch (error) {
    over.finish();
    const status = statusOf(context.signal.aborted ? context.signal.reason : error, options.log, {
      method,
      command: context.command,
    });
    code = status.code;
    if (!call.cancelled) {
      sendHeaders(call, context.headers);
      call.emit("error", Object.assign(new Error(status.details), status));
    }
  } finally {
    context.release();
  }
  await over.ended;
  leave?.();
  options.observer.request(method, context.command, statusName(code), performance.now() - startedMs);
}

/**
 * grpc-js emits `cancelled` when a call ends, in whichever way: by its status too. Only before our own end is it the
 * client's word, or the deadline's; taken for that afterwards it would interrupt somebody else's statement.
 */
function watch(call: Call, context: CallContext): { finish(): void; ended: Promise<void> } {
  let finished = false;
  const ended = new Promise<void>((resolve) => {
    const onEnd = () => {
      if (!finished) context.abort(isOverdue(call) ? overdue() : cancelledByClient());
      resolve();
    };
    if (call.cancelled) onEnd();
    else call.once("cancelled", onEnd);
  });
  return {
    finish: () => {
      finished = true;
    },
    ended,
  };
}

function isOverdue(call: Call): boolean {
  const deadline = call.getDeadline();
  return Number(deadline) <= Date.now();
}

function overdue(): EiderError {
  return new EiderError("deadline_exceeded", "the deadline that the client set for the call has passed");
}

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
}

/**
 * Node reads 16 objects ahead of an object stream's reader; with batches of 100 MB that is the memory of the machine.
 * The limit is fixed when grpc-js constructs the stream, without a way to choose it.
 */
function limitReadAhead(call: Call): void {
  const state: unknown = Reflect.get(call, "_readableState");
  if (typeof state === "object" && state !== null) Reflect.set(state, "highWaterMark", 1);
}

async function answer(call: Call, responses: AsyncIterable<Uint8Array>, context: CallContext): Promise<void> {
  let waiting = 0;
  let wake: (() => void) | undefined;
  const onWritten = () => {
    waiting--;
    wake?.();
  };
  const onAbort = () => wake?.();
  context.signal.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const response of responses) {
      context.throwIfAborted();
      sendHeaders(call, context.headers);
      waiting++;
      call.write(response, onWritten);
      // An ended call never reports its writes: the abort wakes too.
      while (waiting >= WRITES_AHEAD && !context.signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      context.throwIfAborted();
    }
    sendHeaders(call, context.headers);
  } finally {
    context.signal.removeEventListener("abort", onAbort);
  }
}

/** grpc-js ignores all but the first. An empty set is left to it: an answer of a status alone is then one HTTP/2 frame. */
function sendHeaders(call: Call, headers: Metadata): void {
  if (Object.keys(headers.getMap()).length > 0) call.sendMetadata(headers);
}
