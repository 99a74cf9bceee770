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
  readonly #listeners = new Set<() => void>();
  #reason: EiderError | undefined;
  #controller: AbortController | undefined;
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

  /** Why the client or the server ended the call early; undefined while it has not, and after a call's own end. */
  get abortReason(): EiderError | undefined {
    return this.#reason;
  }

  /** The same as a signal, for those beyond the protocol layer; costly, so made when it is asked for. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: EiderError): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }

  throwIfAborted(): void {
    if (this.#reason) throw this.#reason;
  }

  /** Calls back when the call is aborted, at once when it is already; the returned function takes that back. */
  onAbort(listener: () => void): () => void {
    if (this.#reason) {
      listener();
      return () => undefined;
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Settles as `promise`, or rejects as soon as the call is aborted; leaves nothing behind. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let forget = () => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      forget = this.onAbort(() => reject(this.#reason));
    });
    try {
      return await Promise.race([promise, aborted]);
    } finally {
      forget();
    }
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

export function cancelledByClient(): EiderError {
  return new EiderError("cancelled", "the client cancelled the call");
}
