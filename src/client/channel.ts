import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  status,
} from "@grpc/grpc-js";
import { Flight } from "../wire/messages.ts";
import type { Codec } from "../wire/proto.ts";
import { credentialsOf, parseAddress, type TlsOptions } from "./address.ts";
import { FlightError, flightErrorOf } from "./flight-error.ts";

export interface ConnectOptions {
  readonly user?: string;
  readonly password?: string;
  /** A bearer token of the server (`eider user add --token`) or a JWT; in place of user and password. */
  readonly token?: string;
  /** For `grpc+tls://`. */
  readonly tls?: TlsOptions;
  /** How long the server may take to answer the first call. Default 10 000. */
  readonly connectTimeoutMs?: number;
}

const SERVICE = "/arrow.flight.protocol.FlightService/";
const CONNECT_TIMEOUT_MS = 10_000;

const asIs = (bytes: Buffer) => bytes;

/**
 * Calls of one session. A handshake gets the token that names the session; when the server no longer knows it (it was
 * restarted, or the session idled too long) that call fails, and the next one begins another session.
 */
export class Channel implements Disposable {
  readonly uri: string;
  readonly #client: Client;
  readonly #options: ConnectOptions;
  #session: Promise<string | undefined> | undefined;

  /** Throws a TypeError for a URI that is none, and for TLS options that do not go together. */
  constructor(uri: string, options: ConnectOptions) {
    const address = parseAddress(uri);
    const { tls } = options;
    this.uri = uri;
    this.#options = options;
    this.#client = new Client(address.target, credentialsOf(address, tls), {
      // Of its own, so that closing it closes its connection.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.primary_user_agent": "eider-client",
      ...(tls?.serverName === undefined
        ? {}
        : { "grpc.ssl_target_name_override": tls.serverName, "grpc.default_authority": tls.serverName }),
    });
  }

  /** Begins the session, or does nothing when there is one. */
  async signIn(): Promise<void> {
    await this.#token();
  }

  /** The next call begins another session. */
  forgetSession(): void {
    this.#session = undefined;
  }

  /** Resolves to the one answer. */
  async unary<Q, R>(method: string, request: Codec<Q>, message: Q, response: Codec<R>): Promise<R> {
    for await (const bytes of this.messages(await this.serverStream(method, request.encode(message)))) {
      return response.decode(bytes);
    }
    throw new FlightError(status.INTERNAL, `${method} was not answered`);
  }

  async serverStream(method: string, message: Buffer): Promise<ClientReadableStream<Buffer>> {
    return this.#client.makeServerStreamRequest(`${SERVICE}${method}`, asIs, asIs, message, await this.#metadata());
  }

  async duplex(method: string): Promise<ClientDuplexStream<Buffer, Buffer>> {
    return this.#client.makeBidiStreamRequest(`${SERVICE}${method}`, asIs, asIs, await this.#metadata());
  }

  /** A call's messages to its end; rejects with a FlightError. Leaving early cancels the call. */
  async *messages(call: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>): AsyncGenerator<Buffer> {
    try {
      for await (const message of call) yield message as Buffer;
    } catch (error) {
      throw this.failed(error);
    } finally {
      call.on("error", () => undefined);
      call.cancel();
    }
  }

  /** The FlightError of a failed call. */
  failed(error: unknown): Error {
    const told = flightErrorOf(error);
    if (told instanceof FlightError && told.status === "UNAUTHENTICATED") this.forgetSession();
    return told;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #metadata(): Promise<Metadata> {
    const authorization = await this.#token();
    const metadata = new Metadata();
    if (authorization !== undefined) metadata.set("authorization", authorization);
    return metadata;
  }

  #token(): Promise<string | undefined> {
    if (this.#session === undefined) {
      const session = this.#handshake();
      this.#session = session;
      session.catch(() => {
        if (this.#session === session) this.#session = undefined;
      });
    }
    return this.#session;
  }

  async #handshake(): Promise<string | undefined> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    const metadata = new Metadata();
    const own = ownAuthorization(this.#options);
    if (own !== undefined) metadata.set("authorization", own);
    const options: CallOptions = { deadline: Date.now() + connectTimeoutMs };
    const call = this.#client.makeBidiStreamRequest(`${SERVICE}Handshake`, asIs, asIs, metadata, options);
    let session: string | undefined;
    call.on("metadata", (headers: Metadata) => {
      session = headers.get("authorization")[0]?.toString();
    });
    call.write(Flight.HandshakeRequest.encode({}));
    call.end();
    try {
      for await (const _answer of this.messages(call));
    } catch (error) {
      // A server without sessions: every call brings its own credentials.
      if (error instanceof FlightError && error.status === "UNIMPLEMENTED") return own;
      throw error;
    }
    return session ?? own;
  }
}

function ownAuthorization({ user, password, token }: ConnectOptions): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (user === undefined) return undefined;
  return `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}`;
}
