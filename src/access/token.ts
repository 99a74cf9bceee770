import { createHash, randomBytes } from "node:crypto";

/**
 * Bearer tokens of the users file. They are made here, never chosen: 256 random bits, which nobody can guess from their
 * SHA-256, so that a check costs a microsecond on every call.
 */

const PREFIX = "eider-token-";
const TOKEN_BYTES = 32;
const HASH_PATTERN = /^sha256:[0-9a-f]{64}$/;

export function newToken(): string {
  return PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
}

export function hashToken(token: string): string {
  return `sha256:${createHash("sha256").update(token).digest("hex")}`;
}

export function isTokenHash(text: string): boolean {
  return HASH_PATTERN.test(text);
}
