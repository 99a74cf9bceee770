import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Peer } from "../access/credentials.ts";
import type { SessionRecord } from "./session.ts";

/** A transport connection: what an own client library, a script without cookies or tokens, can be recognised by. */
export interface Connection {
  readonly peer: Peer;
  /** Sessions of calls without a token or cookie, by owner. */
  readonly fallback: Map<string, SessionRecord>;
  /** Owners whose fallback session has expired since its last call; they are told once. */
  readonly expired: Set<string>;
  /** Every session that this connection has used. */
  readonly sessions: Set<SessionRecord>;
}

/** The parts of grpc-js' call that are used, its own types hide them. */
export interface PeerCall {
  getPeer(): string;
}

/**
 * HTTP/2 flow control: how much a client may send before it must wait for the server's word. Node's 64 KiB bounds a
 * client 20 ms away to 3 MB/s. Per stream, and for a connection's streams together; a paused stream buffers up to it.
 */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;

/** The HTTP/2 stream under a call, by its private path in grpc-js (1.14: `call.call.stream`). */
export function http2StreamOf(call: PeerCall): ServerHttp2Stream | undefined {
  const inner: unknown = Reflect.get(call, "call");
  const stream: unknown = isObject(inner) ? Reflect.get(inner, "stream") : undefined;
  return isObject(stream) && typeof Reflect.get(stream, "closed") === "boolean"
    ? (stream as unknown as ServerHttp2Stream)
    : undefined;
}

/**
 * The HTTP/2 session under a call. grpc-js' own name of a connection, the peer's address, is reused by other clients, and
 * it gives no word of a connection's end.
 */
function http2SessionOf(call: PeerCall): ServerHttp2Session | undefined {
  const session = http2StreamOf(call)?.session;
  return session && "setLocalWindowSize" in session ? (session as ServerHttp2Session) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

export class Connections {
  readonly #bySession = new WeakMap<ServerHttp2Session, Connection>();
  /** Used only when grpc-js hides the HTTP/2 session: addresses, never forgotten. */
  readonly #byPeer = new Map<string, Connection>();
  readonly #onClose: (connection: Connection) => void;

  constructor(onClose: (connection: Connection) => void) {
    this.#onClose = onClose;
  }

  of(call: PeerCall): Connection {
    const session = http2SessionOf(call);
    if (!session) return this.#ofPeer(call.getPeer());
    const known = this.#bySession.get(session);
    if (known) return known;
    const connection = newConnection(peerOf(call, session));
    this.#bySession.set(session, connection);
    session.once("close", () => this.#onClose(connection));
    widenWindows(session);
    return connection;
  }

  #ofPeer(peer: string): Connection {
    const known = this.#byPeer.get(peer);
    if (known) return known;
    const connection = newConnection({ address: addressOf(peer) });
    this.#byPeer.set(peer, connection);
    return connection;
  }
}

function newConnection(peer: Peer): Connection {
  return { peer, fallback: new Map(), expired: new Set(), sessions: new Set() };
}

/** `getPeer` gives `address:port`, an IPv6 address in brackets. */
function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

/** A certificate counts only when TLS has verified it: where it is optional, any may be shown. */
function peerOf(call: PeerCall, { socket }: ServerHttp2Session): Peer {
  const isVerified = Reflect.get(socket, "encrypted") === true && Reflect.get(socket, "authorized") === true;
  const name: unknown = isVerified ? (socket as TLSSocket).getPeerCertificate().subject?.CN : undefined;
  return { address: addressOf(call.getPeer()), certificateName: typeof name === "string" ? name : undefined };
}

/** grpc-js 1.14 takes the option `grpc-node.flow_control_window` for clients only. */
function widenWindows(session: ServerHttp2Session): void {
  if (session.destroyed || session.closed) return;
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  session.settings({ initialWindowSize: STREAM_WINDOW_BYTES });
}
