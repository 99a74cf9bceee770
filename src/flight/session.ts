import { randomBytes } from "node:crypto";
import type { Principal } from "../access/principal.ts";
import { EiderError, LimitError } from "../errors.ts";
import type { Backend, ClientTraits, Session } from "./backend.ts";
import type { Connection } from "./connection.ts";
import type { Limits } from "./limits.ts";
import type { Log, Observer } from "./observer.ts";

/** Tells the tokens that this server gave from those of others; after a restart they are still known as such. */
export const TOKEN_PREFIX = "eider-session-";

/** A call that uses a session; it is aborted when the session is closed under it. */
export interface SessionUser {
  abort(reason: EiderError): void;
}

/** One client's session: the token that names it, and the backend's session, opened when first needed. */
export class SessionRecord {
  readonly token = TOKEN_PREFIX + randomBytes(24).toString("base64url");
  readonly principal: Principal;
  readonly client: ClientTraits;
  /** Live transport connections that have used it. */
  readonly connections = new Set<Connection>();
  lastUsedMs: number;
  readonly #backend: Backend;
  readonly #users = new Set<SessionUser>();
  #session: Promise<Session> | undefined;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(backend: Backend, principal: Principal, client: ClientTraits, nowMs: number) {
    this.#backend = backend;
    this.principal = principal;
    this.client = client;
    this.lastUsedMs = nowMs;
  }

  /** Whose it is: what else the same owner may use. */
  get owner(): string {
    return this.principal.key;
  }

  get inUse(): boolean {
    return this.#users.size > 0;
  }

  /** Rejects with `unauthenticated` when the session was closed meanwhile. */
  async session(): Promise<Session> {
    if (this.#closed) throw expired();
    if (!this.#session) {
      const opening = this.#backend.openSession(this.principal, this.client);
      this.#session = opening;
      opening.catch(() => {
        if (this.#session === opening) this.#session = undefined;
      });
    }
    return await this.#session;
  }

  enter(user: SessionUser, nowMs: number): void {
    if (this.#closed) throw expired();
    this.lastUsedMs = nowMs;
    this.#users.add(user);
  }

  leave(user: SessionUser, nowMs: number): void {
    this.lastUsedMs = nowMs;
    this.#users.delete(user);
    if (this.#users.size === 0) this.#idle?.();
  }

  /** Stops the calls that use it and resolves when the backend's session is closed. `release` runs in between. */
  async close(reason: EiderError, release: () => Promise<void>): Promise<void> {
    this.#closed = true;
    for (const user of this.#users) user.abort(reason);
    if (this.#users.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await release();
    const session = await this.#session?.catch(() => undefined);
    await session?.[Symbol.asyncDispose]();
  }
}

export function expired(): EiderError {
  return new EiderError(
    "unauthenticated",
    "the session has expired or was closed: its settings, temporary tables and transaction are gone; connect again",
  );
}

export interface SessionTableOptions {
  readonly backend: Backend;
  readonly limits: Limits;
  readonly observer: Observer;
  readonly log: Log;
  readonly now: () => number;
  /** Frees what the protocol layer keeps for a session: tickets, prepared statements, polls. */
  readonly release: (record: SessionRecord) => Promise<void>;
}

/** All sessions, by token. Owns them: they are closed when the client asks, when idle, or with the server. */
export class SessionTable implements AsyncDisposable {
  readonly #options: SessionTableOptions;
  readonly #byToken = new Map<string, SessionRecord>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: SessionTableOptions) {
    this.#options = options;
  }

  get idleSeconds(): number {
    return this.#options.limits.sessionIdleSeconds;
  }

  get size(): number {
    return this.#byToken.size;
  }

  find(token: string): SessionRecord | undefined {
    return this.#byToken.get(token);
  }

  /** Throws `limit_exceeded`. */
  create(principal: Principal, client: ClientTraits, connection: Connection): SessionRecord {
    const { backend, limits, now } = this.#options;
    if (this.#byToken.size >= limits.maxSessions) this.expire();
    if (this.#byToken.size >= limits.maxSessions) {
      throw new LimitError(
        "limit_exceeded",
        "max_sessions",
        `there are ${this.#byToken.size} sessions, as many as max_sessions (${limits.maxSessions}) allows: close one, ` +
          `or wait until one has been idle for session_idle_seconds (${limits.sessionIdleSeconds})`,
      );
    }
    const record = new SessionRecord(backend, principal, client, now());
    this.#byToken.set(record.token, record);
    this.attach(record, connection);
    this.#options.observer.sessions(this.#byToken.size);
    return record;
  }

  attach(record: SessionRecord, connection: Connection): void {
    record.connections.add(connection);
    connection.sessions.add(record);
  }

  /** The transport is gone: sessions that only it could name end now, the others may be reached by a new connection. */
  detach(connection: Connection): void {
    for (const record of connection.sessions) {
      record.connections.delete(connection);
      if (connection.fallback.get(record.owner) === record) this.#closeLater(record, "its connection was closed");
    }
    connection.sessions.clear();
    connection.fallback.clear();
  }

  /** Closes the sessions that nobody has used for long enough. */
  expire(): void {
    const { limits, now } = this.#options;
    for (const record of this.#byToken.values()) {
      const idleSeconds = (now() - record.lastUsedMs) / 1000;
      const orphan = record.connections.size === 0;
      const limitSeconds = orphan
        ? Math.min(limits.sessionOrphanSeconds, limits.sessionIdleSeconds)
        : limits.sessionIdleSeconds;
      if (record.inUse || idleSeconds <= limitSeconds) continue;
      for (const connection of record.connections) {
        if (connection.fallback.get(record.owner) === record) connection.expired.add(record.owner);
      }
      this.#options.observer.leftAlone("session");
      this.#closeLater(record, `unused for ${limitSeconds} s`);
    }
  }

  /** Idempotent. Resolves when it is closed. */
  async close(record: SessionRecord, why: string): Promise<void> {
    if (!this.#byToken.delete(record.token)) return;
    this.#options.observer.sessions(this.#byToken.size);
    for (const connection of record.connections) {
      connection.sessions.delete(record);
      if (connection.fallback.get(record.owner) === record) connection.fallback.delete(record.owner);
    }
    record.connections.clear();
    const reason = new EiderError("cancelled", `the session was closed: ${why}`);
    await record.close(reason, () => this.#options.release(record));
  }

  /** Closes all, and waits for those that are closing. Their calls must have ended, or end when aborted. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const record of [...this.#byToken.values()]) this.#closeLater(record, "the server is shutting down");
    await Promise.all(this.#closing);
  }

  #closeLater(record: SessionRecord, why: string): void {
    const closing = this.close(record, why)
      .catch((error: unknown) => this.#options.log.error({ err: error, why }, "closing a session failed"))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
