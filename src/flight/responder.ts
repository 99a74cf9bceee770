import { constants } from "node:http2";
import { status as grpcStatus, type Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import { EiderError } from "../errors.ts";
import { sendUncopied } from "../wire/grpc-prefix.ts";
import { http2StreamOf } from "./connection.ts";
import { type CallContext, cancelledByClient } from "./context.ts";
import type { CallStatus } from "./status.ts";

export type Call = ServerDuplexStream<Uint8Array, Uint8Array>;

/** Messages handed to HTTP/2 and not yet taken by it, per call; results have at most 2 MiB each. */
const WRITES_AHEAD = 4;

/** How long an aborted call waits for a client that does not read; then its stream is reset. */
const FLUSH_MS = 1000;

/** A client ends its call when its own clock says so, a little before this one does: such a cancel is the deadline's. */
const DEADLINE_SLACK_MS = 100;

export interface ResponderOptions {
  /** See `Limits.statementIdleSeconds`. */
  readonly idleSeconds: number;
  readonly onIdle: () => void;
}

/** The answering side of one call: headers, messages with back-pressure, status; and its end, whoever brings it about. */
export class Responder {
  /** Resolves when nothing more can be sent: the status has gone, or the client has. */
  readonly ended: Promise<void>;
  readonly #call: Call;
  readonly #context: CallContext;
  readonly #options: ResponderOptions;
  #waiting = 0;
  #answered = false;
  /** Set when the stream was reset with messages that nobody took. */
  #reset: Reset | undefined;
  #wake: (() => void) | undefined;

  constructor(call: Call, context: CallContext, options: ResponderOptions) {
    this.#call = call;
    this.#context = context;
    this.#options = options;
    sendUncopied(call);
    context.onAbort(() => this.#wake?.());
    this.ended = new Promise((resolve) => {
      const onEnd = () => {
        this.#abortUnanswered();
        this.#wake?.();
        resolve();
      };
      if (call.cancelled) onEnd();
      else call.once("cancelled", onEnd);
    });
  }

  /** Resolves when there is room for the next message. Rejects with the reason when the call is aborted. */
  async write(message: Uint8Array): Promise<void> {
    this.#context.throwIfAborted();
    this.#sendHeaders();
    this.#waiting++;
    this.#call.write(message, () => {
      this.#waiting--;
      this.#wake?.();
    });
    await this.#room();
    this.#context.throwIfAborted();
  }

  async #room(): Promise<void> {
    const hasRoom = () => this.#waiting < WRITES_AHEAD || this.#context.abortReason !== undefined;
    if (!hasRoom()) await this.#untilTaken(hasRoom);
  }

  /** Waits until messages have been taken; aborts the call when none is for too long. */
  async #untilTaken(condition: () => boolean): Promise<void> {
    const { idleSeconds, onIdle } = this.#options;
    const timer = setTimeout(() => {
      if (this.#context.abortReason) return;
      onIdle();
      this.#context.abort(
        new EiderError(
          "limit_exceeded",
          `nothing of the answer was taken for statement_idle_seconds (${idleSeconds}): the statement was ended; ` +
            "run it again, and read it to its end or cancel it",
        ),
      );
    }, idleSeconds * 1000);
    await this.#until(condition);
    clearTimeout(timer);
  }

  /**
   * Sends the status, OK when undefined, behind all messages. Resolves when the call is over, to the code that the client
   * gets: its stream may have been reset before the status could go.
   */
  async end(status: CallStatus | undefined): Promise<number> {
    this.#answered = true;
    await this.#flush();
    if (!this.#call.cancelled) {
      this.#sendHeaders();
      // grpc-js takes a status as an error event, and whoever still reads the client's messages destroys the call on it:
      // a status sent after a message that waits to be written would be lost. All are written here.
      if (status) this.#call.emit("error", Object.assign(new Error(status.details), status));
      else this.#call.end();
    }
    await this.ended;
    return status?.code ?? this.#reset?.grpc ?? grpcStatus.OK;
  }

  /**
   * grpc-js emits `cancelled` when a call ends, in whichever way: by its status too. Only before the answer is complete
   * is it the client's word, or the deadline's; taken for that afterwards it would interrupt somebody else's statement.
   */
  #abortUnanswered(): void {
    if (this.#answered) return;
    const isOverdue = Number(this.#call.getDeadline()) - Date.now() <= DEADLINE_SLACK_MS;
    this.#context.abort(
      isOverdue
        ? new EiderError("deadline_exceeded", "the deadline that the client set for the call has passed")
        : cancelledByClient(),
    );
  }

  async #flush(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const forget = this.#context.onAbort(() => {
      timer = setTimeout(() => {
        this.#reset = resetOf(this.#context.abortReason);
        http2StreamOf(this.#call)?.close(this.#reset.http2);
      }, FLUSH_MS);
    });
    while (this.#waiting > 0 && !this.#call.cancelled) {
      const before = this.#waiting;
      await this.#untilTaken(() => this.#waiting < before);
    }
    forget();
    clearTimeout(timer);
  }

  /** An ended call never reports its writes: its end is looked at as well. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#call.cancelled) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** grpc-js ignores all but the first. Without any, an answer of a status alone stays one HTTP/2 frame. */
  #sendHeaders(): void {
    const headers: Metadata = this.#context.headers;
    if (Object.keys(headers.getMap()).length > 0) this.#call.sendMetadata(headers);
  }
}

/** HTTP/2's error code of a reset, and the status that a client makes of it. */
interface Reset {
  readonly http2: number;
  readonly grpc: number;
}

/** https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors */
function resetOf(reason: EiderError | undefined): Reset {
  return reason?.code === "limit_exceeded"
    ? { http2: constants.NGHTTP2_ENHANCE_YOUR_CALM, grpc: grpcStatus.RESOURCE_EXHAUSTED }
    : { http2: constants.NGHTTP2_CANCEL, grpc: grpcStatus.CANCELLED };
}
