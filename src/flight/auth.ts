import type { Metadata } from "@grpc/grpc-js";
import { EiderError } from "../errors.ts";

export type Credentials =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "bearer"; readonly token: string };

export interface Authenticator {
  /** Resolves to the principal's name; throws `unauthenticated`. */
  authenticate(credentials: Credentials): Promise<string>;
}

export const ANONYMOUS = "anonymous";

/** Authentication is off: whatever is presented is accepted, and a user name is believed. */
export const OPEN_AUTHENTICATOR: Authenticator = {
  async authenticate(credentials) {
    return credentials.kind === "basic" && credentials.username !== "" ? credentials.username : ANONYMOUS;
  },
};

/** The header of clients that shook hands by payload (pyarrow's ClientAuthHandler, Java's BasicClientAuthHandler). */
const LEGACY_TOKEN_HEADER = "auth-token-bin";

/** Throws `unauthenticated` for an `authorization` header that is neither Basic nor Bearer. */
export function credentialsOf(metadata: Metadata): Credentials {
  const header = metadata.get("authorization")[0];
  if (header !== undefined) return parseAuthorization(String(header));
  const legacy = metadata.get(LEGACY_TOKEN_HEADER)[0];
  return legacy === undefined ? { kind: "none" } : { kind: "bearer", token: legacy.toString("utf8") };
}

function parseAuthorization(header: string): Credentials {
  const space = header.indexOf(" ");
  const scheme = header.slice(0, space).toLowerCase();
  const value = header.slice(space + 1).trim();
  if (scheme === "bearer") return { kind: "bearer", token: value };
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
