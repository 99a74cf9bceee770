import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { encodeFlightData } from "../wire/flight-data.ts";
import { DESCRIPTOR_PATH, Flight } from "../wire/messages.ts";
import type { Channel } from "./channel.ts";
import { FlightError } from "./flight-error.ts";
import { type BatchLike, type EncodedBatch, encodeBatch } from "./ipc.ts";
import { PutCall } from "./put-call.ts";
import { requireSameSchema } from "./same-schema.ts";

export interface Ack {
  /** The batch's place in the stream, from 0. */
  readonly index: number;
  readonly token: string;
  readonly rows: number;
  /** The table's number of the batch's first row. */
  readonly seq: number;
}

export interface PutOptions {
  /** What the rows mean for their keys. By default `upsert` on a table with a primary key, else `insert`. */
  readonly op?: "insert" | "upsert" | "delete";
  /**
   * A batch's name: the server stores the same token once per table, within `token_retention_seconds`. By default a
   * random one, which makes repeats of this call safe; tokens that a later run gives again make that run safe, too.
   */
  readonly token?: (index: number) => string;
  /** Called for each batch once it is durable, in order. */
  readonly onAck?: (ack: Ack) => void;
  /** Called before what was not acknowledged is sent again. */
  readonly onRetry?: (error: FlightError, delayMs: number) => void;
  /** Failures in a row, without an acknowledgement between them, after which `put` rejects. Default 8. */
  readonly maxFailures?: number;
}

export interface PutSummary {
  readonly batches: number;
  readonly rows: number;
}

const MAX_FAILURES = 8;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** Sent and not acknowledged: kept, to be sent again. */
const IN_FLIGHT_BATCHES = 64;
const IN_FLIGHT_BYTES = 32 * 1024 * 1024;

interface Sent {
  readonly batch: EncodedBatch;
  readonly token: string;
  readonly bytes: number;
}

/**
 * DoPut to a path: one acknowledgement per batch. When the connection breaks, the server restarts or is full, what was
 * not acknowledged is sent again with the same tokens, so that nothing is lost and nothing stored twice.
 */
export class Put {
  readonly #channel: Channel;
  readonly #path: readonly string[];
  readonly #options: PutOptions;
  readonly #source: AsyncIterator<BatchLike> | Iterator<BatchLike>;
  /** In order; the first is acknowledged next. */
  readonly #unacknowledged: Sent[] = [];
  #unacknowledgedBytes = 0;
  /** One at a time; what comes while a call fails is kept for the next. */
  #pulling: Promise<boolean> | undefined;
  #schema: Uint8Array | undefined;
  #pulled = 0;
  #acknowledged = 0;
  #rows = 0;
  #failures = 0;

  constructor(
    channel: Channel,
    path: readonly string[],
    batches: AsyncIterable<BatchLike> | Iterable<BatchLike>,
    options: PutOptions,
  ) {
    this.#channel = channel;
    this.#path = path;
    this.#options = options;
    this.#source = Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]();
  }

  async run(): Promise<PutSummary> {
    try {
      for (;;) {
        try {
          await this.#stream();
          return { batches: this.#acknowledged, rows: this.#rows };
        } catch (error) {
          await this.#pause(error);
        }
      }
    } finally {
      await this.#source.return?.();
    }
  }

  /** Rejects with the error when trying again cannot help, or has not. */
  async #pause(error: unknown): Promise<void> {
    if (!(error instanceof FlightError) || !mayRepeat(error)) throw error;
    const { maxFailures = MAX_FAILURES, onRetry } = this.#options;
    if (++this.#failures >= maxFailures) throw error;
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (this.#failures - 1), LONGEST_DELAY_MS);
    onRetry?.(error, delayMs);
    this.#channel.forgetSession();
    await sleep(delayMs);
  }

  async #stream(): Promise<void> {
    // Before there is a call: it begins with the first batch's schema, and a source without batches needs none.
    if (this.#schema === undefined && !(await this.#pull())) return;
    const call: ClientDuplexStream<Buffer, Buffer> = await this.#channel.duplex("DoPut");
    const put = new PutCall(call, (metadata) => this.#acknowledge(metadata));
    try {
      await put.write(this.#opening());
      for (let index = this.#acknowledged; ; index++) {
        await put.until(() => this.#hasRoom || index < this.#pulled);
        if (index === this.#pulled && !(await put.race(this.#pull()))) break;
        const sent = this.#unacknowledged[index - this.#acknowledged];
        if (sent) await this.#send(put, sent);
      }
      await put.finish();
      if (this.#unacknowledged.length > 0) {
        throw new Error(`the server ended the stream without acknowledging ${this.#unacknowledged.length} batches`);
      }
    } catch (error) {
      put.cancel();
      throw this.#channel.failed(error);
    }
  }

  get #hasRoom(): boolean {
    return this.#unacknowledged.length < IN_FLIGHT_BATCHES && this.#unacknowledgedBytes < IN_FLIGHT_BYTES;
  }

  /** Puts the source's next batch with the unacknowledged ones; resolves to false at its end. */
  #pull(): Promise<boolean> {
    this.#pulling ??= this.#take().finally(() => {
      this.#pulling = undefined;
    });
    return this.#pulling;
  }

  async #take(): Promise<boolean> {
    const result = await this.#source.next();
    if (result.done) return false;
    const batch = encodeBatch(result.value);
    if (this.#schema) requireSameSchema(this.#schema, batch.schema, this.#pulled);
    else this.#schema = batch.schema;
    const bytes = batch.frames.reduce((sum, { header, body }) => sum + header.length + body.length, 0);
    this.#unacknowledged.push({ batch, token: this.#options.token?.(this.#pulled) ?? randomUUID(), bytes });
    this.#unacknowledgedBytes += bytes;
    this.#pulled++;
    return true;
  }

  #opening(): Buffer {
    const descriptor = Flight.FlightDescriptor.encode({ type: DESCRIPTOR_PATH, path: this.#path });
    return encodeFlightData({ descriptor, header: this.#schema ?? new Uint8Array(0), body: new Uint8Array(0) });
  }

  async #send(put: PutCall, { batch, token }: Sent): Promise<void> {
    const { op } = this.#options;
    const metadata = Buffer.from(JSON.stringify({ ...(op ? { op } : {}), token }));
    const last = batch.frames.length - 1;
    for (const [i, frame] of batch.frames.entries()) {
      await put.write(encodeFlightData(i === last ? { ...frame, metadata } : frame));
    }
  }

  #acknowledge(metadata: Uint8Array): void {
    const sent = this.#unacknowledged.shift();
    if (!sent) return;
    this.#unacknowledgedBytes -= sent.bytes;
    this.#failures = 0;
    const { rows = 0, seq = 0 } = parseAck(metadata);
    this.#rows += rows;
    const index = this.#acknowledged++;
    this.#options.onAck?.({ index, token: sent.token, rows, seq });
  }
}

/** A session that a restarted server does not know is begun anew. */
function mayRepeat(error: FlightError): boolean {
  return error.isRetryable || (error.status === "UNAUTHENTICATED" && error.message.includes("session"));
}

function parseAck(metadata: Uint8Array): { rows?: number; seq?: number } {
  return metadata.length === 0 ? {} : JSON.parse(Buffer.from(metadata).toString("utf8"));
}
