import type { Authenticator } from "../access/authenticator.ts";
import type { Credentials } from "../access/credentials.ts";
import { Flight } from "../wire/messages.ts";
import type { CallContext } from "./context.ts";
import { credentialsOf, sessionHeaders } from "./identity.ts";
import type { SessionRecord, SessionTable } from "./session.ts";

/**
 * A session of its own for each handshake, named by the token in the response header (clients that send `authorization`)
 * or in the response's payload (clients that send BasicAuth). Each message is answered as it arrives: clients of the
 * second kind wait for the answer before they half-close.
 */
export async function* handshake(
  requests: AsyncIterable<Uint8Array>,
  context: CallContext,
  sessions: SessionTable,
  authenticator: Authenticator,
): AsyncGenerator<Uint8Array> {
  let record: SessionRecord | undefined;
  const begin = async (credentials: Credentials) => {
    const principal = await authenticator.authenticate(credentials, context.connection.peer);
    record = sessions.create(principal, context.client, context.connection);
    sessionHeaders(context.headers, record);
    return record;
  };
  const fromHeader = credentialsOf(context.metadata);
  if (fromHeader.kind !== "none") await begin(fromHeader);
  for await (const bytes of requests) {
    const { payload, protocol_version } = Flight.HandshakeRequest.decode(bytes);
    const { token } = record ?? (await begin(credentialsIn(payload)));
    yield Flight.HandshakeResponse.encode({
      ...(protocol_version === undefined ? {} : { protocol_version }),
      payload: Buffer.from(token),
    });
  }
  if (!record) await begin(fromHeader);
}

/** What is not a BasicAuth message is taken for a bearer token: clients may put there what they like. */
function credentialsIn(payload: Uint8Array | undefined): Credentials {
  if (!payload || payload.length === 0) return { kind: "none" };
  try {
    const { username, password } = Flight.BasicAuth.decode(payload);
    if (username !== undefined) return { kind: "basic", username, password: password ?? "" };
  } catch {
    // Not a protobuf message at all.
  }
  return { kind: "bearer", token: Buffer.from(payload).toString("utf8") };
}
