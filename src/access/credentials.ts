import { EiderError } from "../errors.ts";

export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "bearer"; readonly token: string };

export const NO_CREDENTIALS: Credentials = { kind: "none" };

/** Where a call comes from. */
export interface Peer {
  /** IP address without the port; what failed logins are counted by. */
  readonly address: string;
  /** Common name of the client certificate, when the TLS layer has verified one. */
  readonly certificateName?: string | undefined;
}

/**
 * The `authorization` header (RFC 7617 Basic, RFC 6750 Bearer). Throws `unauthenticated` for any other; the message never
 * repeats the header.
 */
export function parseAuthorization(header: string): Credentials {
  const space = header.indexOf(" ");
  const scheme = header.slice(0, space).toLowerCase();
  const value = header.slice(space + 1).trim();
  if (scheme === "bearer" && value !== "") return { kind: "bearer", token: value };
  if (scheme === "basic") {
    // Go sends base64 without padding, which Buffer accepts.
    const text = Buffer.from(value, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon >= 0) return { kind: "basic", username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  throw new EiderError(
    "unauthenticated",
    "the authorization header must be `Basic <user:password>` or `Bearer <token>`",
  );
}
