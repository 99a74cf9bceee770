import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { messageOf } from "../errors.ts";

export interface TlsOptions {
  /** PEM of those who may sign the server's certificate; without it the system's. */
  readonly ca?: Uint8Array;
  /** PEM of the client's own certificate chain and its key. */
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
  /** The name in the server's certificate, where it is not the host of the URI. */
  readonly serverName?: string;
  /** Takes whatever certificate the server shows. */
  readonly skipVerify?: boolean;
}

export interface Address {
  /** `host:port`, as grpc-js takes it. */
  readonly target: string;
  readonly hasTls: boolean;
}

const DEFAULT_PORT = "4214";
const USAGE = "a server's address is grpc://HOST:PORT or, with TLS, grpc+tls://HOST:PORT";

const SCHEMES: Readonly<Record<string, boolean>> = {
  "grpc:": false,
  "grpc+tcp:": false,
  "grpc+tls:": true,
  "grpcs:": true,
};

/** Throws a TypeError that says how an address is written. */
export function parseAddress(uri: string): Address {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const hasTls = url === undefined ? undefined : SCHEMES[url.protocol];
  if (url === undefined || hasTls === undefined || url.hostname === "") throw new TypeError(`${USAGE}, not ${uri}`);
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(`${USAGE}; user and password are given beside it`);
  }
  return { target: `${url.hostname}:${url.port || DEFAULT_PORT}`, hasTls };
}

/** Throws a TypeError for a certificate and a key that do not go together. */
export function credentialsOf({ hasTls }: Address, tls: TlsOptions = {}): ChannelCredentials {
  if (!hasTls) return credentials.createInsecure();
  const buffer = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : Buffer.from(bytes));
  try {
    return credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.cert), {
      rejectUnauthorized: tls.skipVerify !== true,
    });
  } catch (error) {
    throw new TypeError(
      `TLS cannot be set up: ${messageOf(error)}; the client's certificate (cert) and its key (key) are two PEMs that fit`,
      { cause: error },
    );
  }
}
