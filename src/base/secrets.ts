/**
 * Passwords inside free text: key=value pairs as in libpq's, MySQL's and DuckDB's connection strings, `SECRET '…'` as in
 * CREATE SECRET, and URLs with user:password@. Errors of database drivers repeat the connection string, so logs pass everything through here.
 */
const PAIR =
  /\b(\w*(?:password|passwd|pwd|secret|token|key_id|access_key)\w*)(\s*=\s*|\s+(?='))('(?:[^'\\]|\\.|'')*'|"[^"]*"|[^\s;&,)"']+)/gi;
const URL_PASSWORD = /(:\/\/[^\s:/@]*:)[^\s/]+@/g;

/** Tokens that this server gave, JWTs, and what else stands behind `Bearer`. */
const TOKENS = /\b(eider-(?:token|session)-|bearer\s+|(?=eyJ[\w-]+\.))[\w.~+/=-]{8,}/gi;

export const MASK = "***";

/** `text` with every password, secret and token value replaced by `***`. */
export function maskSecrets(text: string): string {
  return text.replace(URL_PASSWORD, `$1${MASK}@`).replace(PAIR, `$1$2${MASK}`).replace(TOKENS, `$1${MASK}`);
}

/** A setting's value as it may be shown. */
export function maskSetting(value: string, secret: "inside" | "whole" | undefined): string {
  if (secret === "whole") return value === "" ? "" : MASK;
  return secret === "inside" ? maskSecrets(value) : value;
}
