/**
 * Connection strings of libpq (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING), which DuckDB's
 * MySQL extension writes in the same way: `key=value` pairs, or a URL.
 */
export interface ConnectionText {
  /** Pairs, or what was given when it is neither form. */
  readonly text: string;
  readonly password: string | undefined;
}

const PAIR = /([A-Za-z_]\w*)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']\S*|)/g;
const PASSWORD_KEYS = new Set(["password", "passwd"]);

/** Takes the password out, and turns a URL into pairs: DuckDB puts a secret's pairs before the text. */
export function withoutPassword(text: string): ConnectionText {
  const pairs = text.includes("://") ? pairsOfUrl(text) : pairsOfText(text);
  if (pairs.length === 0) return { text, password: undefined };
  const password = pairs.find(([key]) => PASSWORD_KEYS.has(key))?.[1];
  const rest = pairs.filter(([key]) => !PASSWORD_KEYS.has(key));
  return { text: rest.map(([key, value]) => `${key}=${quoteValue(value)}`).join(" "), password };
}

type Pair = readonly [key: string, value: string];

function pairsOfText(text: string): Pair[] {
  return [...text.matchAll(PAIR)].map(([, key = "", value = ""]) => {
    const inner = value.startsWith("'") ? value.slice(1, -1) : value;
    return [key, inner.replace(/\\(.)/gs, "$1")];
  });
}

function pairsOfUrl(text: string): Pair[] {
  const url = new URL(text);
  const pairs: Pair[] = [
    ["host", url.hostname.replace(/^\[|\]$/g, "")],
    ["port", url.port],
    ["user", decodeURIComponent(url.username)],
    ["password", decodeURIComponent(url.password)],
    ["dbname", decodeURIComponent(url.pathname.slice(1))],
  ];
  return [...pairs.filter(([, value]) => value !== ""), ...url.searchParams];
}

function quoteValue(value: string): string {
  return /^[\w.,:/@+-]+$/.test(value) ? value : `'${value.replace(/['\\]/g, "\\$&")}'`;
}
