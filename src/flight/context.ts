import { Metadata } from "@grpc/grpc-js";
import type { Authenticator } from "../access/authenticator.ts";
import { EiderError } from "../errors.ts";
import type { ClientTraits, Session } from "./backend.ts";
import type { Connection } from "./connection.ts";
import { clientTraits, type Identity, identify, sessionHeaders } from "./identity.ts";
import type { SessionRecord, SessionTable, SessionUser } from "./session.ts";

export interface ContextOptions {
  readonly method: string;
  readonly metadata: Metadata;
  readonly connection: Connection;
  readonly sessions: SessionTable;
  readonly authenticator: Authenticator;
  readonly now: () => number;
}

/** One call: who makes it, the session it uses, what ends it early, and the headers of its answer. */
export class CallContext implements SessionUser {
  readonly method: string;
  readonly metadata: Metadata;
  readonly connection: Connection;
  readonly client: ClientTraits;
  /** Response headers; sent with the first message. */
  readonly headers = new Metadata();
  /** Label of the metrics; a name of this program's tables, never the client's text. */
  command = "-";
  /** Of the statement that the call executes, 0 to 1. */
  progress: () => number | undefined = () => undefined;
  readonly #options: ContextOptions;
  readonly #abort = new AbortController();
  readonly #entered = new Set<SessionRecord>();
  #identity: Promise<Identity> | undefined;
  #record: SessionRecord | undefined;

  constructor(options: ContextOptions) {
    this.#options = options;
    this.method = options.method;
    this.metadata = options.metadata;
    this.connection = options.connection;
    this.client = clientTraits(options.metadata);
  }

  /** Aborted, with an EiderError as the reason, when the client or the server ends the call; never after its end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(reason: EiderError): void {
    this.#abort.abort(reason);
  }

  throwIfAborted(): void {
    if (this.signal.aborted) throw this.signal.reason;
  }

  /** Rejects with `unauthenticated`. */
  identity(): Promise<Identity> {
    this.#identity ??= identify(this.metadata, this.connection, this.#options.sessions, this.#options.authenticator);
    return this.#identity;
  }

  /** The caller's session record; begins a session where the call names none. Held until the call ends. */
  async record(): Promise<SessionRecord> {
    if (this.#record) return this.#record;
    const { principal, record: known } = await this.identity();
    const { fallback } = this.connection;
    let record = known ?? fallback.get(principal.key);
    if (!record) {
      record = this.#options.sessions.create(principal, this.client, this.connection);
      fallback.set(principal.key, record);
    }
    if (fallback.get(principal.key) === record) sessionHeaders(this.headers, record);
    this.#record = record;
    this.hold(record);
    return record;
  }

  /** A context that outlives this call, for work that goes on between polls. Its owner aborts and releases it. */
  async fork(): Promise<CallContext> {
    const record = await this.record();
    const fork = new CallContext(this.#options);
    fork.command = this.command;
    fork.#identity = this.identity();
    fork.#record = record;
    fork.hold(record);
    return fork;
  }

  async session(): Promise<Session> {
    return await (await this.record()).session();
  }

  /** Keeps a session, the caller's or a ticket's owner's, from being closed as idle while this call runs. */
  hold(record: SessionRecord): void {
    record.enter(this, this.#options.now());
    this.#entered.add(record);
  }

  /** The call is over. */
  release(): void {
    for (const record of this.#entered) record.leave(this, this.#options.now());
    this.#entered.clear();
  }
}

/** Settles as `promise`, or rejects as soon as the signal is aborted; leaves no listener behind. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}

export function cancelledByClient(): EiderError {
  return new EiderError("cancelled", "the client cancelled the call");
}
