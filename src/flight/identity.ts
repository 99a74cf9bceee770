import type { Metadata } from "@grpc/grpc-js";
import type { Authenticator } from "../access/authenticator.ts";
import { type Credentials, NO_CREDENTIALS, parseAuthorization } from "../access/credentials.ts";
import type { Principal } from "../access/principal.ts";
import { EiderError } from "../errors.ts";
import type { ClientTraits } from "./backend.ts";
import type { Connection } from "./connection.ts";
import { expired, type SessionRecord, type SessionTable, TOKEN_PREFIX } from "./session.ts";

export const SESSION_COOKIE = "arrow_flight_session_id";

/** Who calls, and by what its session is known. */
export interface Identity {
  readonly principal: Principal;
  /** The session that the call names by token or cookie, or that its connection stands for; none yet: undefined. */
  readonly record: SessionRecord | undefined;
}

/**
 * What names a session, best first: a bearer token that this server gave, its cookie, the transport connection. A call
 * that can only be told by its connection is answered with a token and a cookie: clients that keep either (ADBC keeps any
 * `authorization` header, JDBC cookies) get a session of their own from then on, behind any proxy.
 *
 * A connection's session belongs to it until a call names it by token or cookie; then the connection is free to begin
 * another, because behind a proxy the next call without a token is another client's.
 *
 * Throws `unauthenticated` for a token or cookie of this server that is no longer known, never a fresh session for it: a
 * pooled connection would go on in another catalog without a word.
 */
export async function identify(
  metadata: Metadata,
  connection: Connection,
  sessions: SessionTable,
  authenticator: Authenticator,
): Promise<Identity> {
  const credentials = credentialsOf(metadata);
  if (credentials.kind === "bearer" && credentials.token.startsWith(TOKEN_PREFIX)) {
    return claim(sessions.find(credentials.token), connection, sessions);
  }
  const principal = await authenticator.authenticate(credentials, connection.peer);
  const cookie = cookieOf(metadata);
  if (cookie !== undefined) {
    const identity = claim(sessions.find(cookie), connection, sessions);
    if (identity.principal.key !== principal.key) throw expired();
    return identity;
  }
  const record = connection.fallback.get(principal.key);
  if (!record && connection.expired.delete(principal.key)) {
    throw new EiderError(
      "unauthenticated",
      `the session of this connection has expired, idle for session_idle_seconds (${sessions.idleSeconds}): ` +
        "its settings, temporary tables and transaction are gone; the next request begins a new one",
    );
  }
  return { principal, record };
}

function claim(record: SessionRecord | undefined, connection: Connection, sessions: SessionTable): Identity {
  if (!record) throw expired();
  if (!record.principal.isCurrent()) {
    void sessions.close(record, "its credentials have expired").catch(() => undefined);
    throw new EiderError("unauthenticated", "the credentials that began the session have expired or were taken back");
  }
  for (const other of record.connections) {
    if (other.fallback.get(record.owner) === record) other.fallback.delete(record.owner);
  }
  sessions.attach(record, connection);
  return { principal: record.principal, record };
}

/** The header of clients that shook hands by payload (pyarrow's ClientAuthHandler, Java's BasicClientAuthHandler). */
const LEGACY_TOKEN_HEADER = "auth-token-bin";

/** Throws `unauthenticated` for an `authorization` header that is neither Basic nor Bearer. */
export function credentialsOf(metadata: Metadata): Credentials {
  const header = metadata.get("authorization")[0];
  if (header !== undefined) return parseAuthorization(String(header));
  const legacy = metadata.get(LEGACY_TOKEN_HEADER)[0];
  return legacy === undefined ? NO_CREDENTIALS : { kind: "bearer", token: legacy.toString("utf8") };
}

function cookieOf(metadata: Metadata): string | undefined {
  for (const header of metadata.get("cookie")) {
    for (const pair of String(header).split(";")) {
      const equals = pair.indexOf("=");
      if (pair.slice(0, equals).trim() === SESSION_COOKIE)
        return pair
          .slice(equals + 1)
          .trim()
          .replace(/^"|"$/g, "");
    }
  }
  return undefined;
}

export function sessionHeaders(metadata: Metadata, record: SessionRecord): void {
  metadata.set("authorization", `Bearer ${record.token}`);
  metadata.set("set-cookie", `${SESSION_COOKIE}=${record.token}; Path=/; HttpOnly`);
}

export function clearSessionCookie(metadata: Metadata): void {
  metadata.set("set-cookie", `${SESSION_COOKIE}=; Path=/; Max-Age=0`);
}

/** JDBC: `grpc-java-netty/1.71.0`, from 19 on with its own name before it. It cannot read what other clients can. */
const JAVA = /grpc-java/i;

/** Headers of the client's own choice: parameters of the JDBC URL, `adbc.flight.sql.rpc.call_header.…` of ADBC. */
export function clientTraits(metadata: Metadata): ClientTraits {
  const userAgent = String(metadata.get("user-agent")[0] ?? "");
  const asked = metadata.get("unsigned")[0];
  const schema = String(metadata.get("schema")[0] ?? "");
  return {
    userAgent,
    widenUnsigned: asked === undefined ? JAVA.test(userAgent) : String(asked) === "widen",
    schema: schema === "" ? undefined : schema,
  };
}

export function isJava(client: ClientTraits): boolean {
  return JAVA.test(client.userAgent);
}
