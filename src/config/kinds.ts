import { resolve } from "node:path";
import { z } from "zod";

/**
 * Kinds of settings. A value arrives as text (flag, environment) or as a YAML scalar; `schema` accepts both and gives
 * the typed value, `expects` completes the sentence "… must be …" when it does not.
 */
export interface Kind<T> {
  readonly schema: z.ZodType<T>;
  readonly expects: string;
  /** Stands for the value in `--help`. */
  readonly placeholder: string;
  /** Last step, once `data_dir` is known: placeholders, `~` and relative paths. */
  readonly finish?: (value: T, surroundings: Surroundings) => T;
}

export interface Surroundings {
  readonly cwd: string;
  readonly home: string;
  readonly dataDir: string;
  readonly coreCount: number;
}

function numberFrom(value: unknown): unknown {
  if (typeof value !== "string" || value.trim() === "") return value;
  const number = Number(value.replaceAll("_", ""));
  return Number.isNaN(number) ? value : number;
}

export function whole(min: number, max: number, placeholder = "n"): Kind<number> {
  return {
    schema: z.preprocess(numberFrom, z.int().min(min).max(max)),
    expects: `a whole number from ${min} to ${max}`,
    placeholder,
  };
}

/** Seconds, fractions allowed. `max` bounds what becomes a timer: Node's timers overflow at 2^31 ms. */
export function seconds(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  const upTo = max === Number.MAX_SAFE_INTEGER ? "" : ` and at most ${max}`;
  return {
    schema: z.preprocess(numberFrom, z.number().min(min).max(max)),
    expects: `a number of seconds, at least ${min}${upTo}`,
    placeholder: "seconds",
  };
}

export const ratio: Kind<number> = {
  schema: z.preprocess(numberFrom, z.number().min(0).max(1)),
  expects: "a number from 0 to 1",
  placeholder: "ratio",
};

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const SIZE = /^(\d[\d_]*(?:\.\d+)?)\s*([kmgt]?i?b?)$/i;

function bytesFrom(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const [, digits, unit] = SIZE.exec(value.trim()) ?? [];
  const factor = UNITS[(unit ?? "").toLowerCase()];
  if (digits === undefined || factor === undefined) return value;
  return Math.round(Number(digits.replaceAll("_", "")) * factor);
}

export function bytes(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  const upTo = max === Number.MAX_SAFE_INTEGER ? "" : ` and at most ${max}`;
  return {
    schema: z.preprocess(bytesFrom, z.int().min(min).max(max)),
    expects: `a number of bytes such as 500000, 64MB or 256MiB, at least ${min}${upTo}`,
    placeholder: "bytes",
  };
}

/** A size that is handed to DuckDB as it is written. */
export const sizeText: Kind<string> = {
  schema: z.preprocess((value) => (typeof value === "number" ? `${value}B` : value), z.string().regex(SIZE)),
  expects: "a size such as 16MB, 1GB or 1GiB",
  placeholder: "size",
};

const BOOLEANS = new Map<unknown, boolean>(
  Object.entries({ true: true, yes: true, on: true, "1": true, false: false, no: false, off: false, "0": false }),
);

export const flag: Kind<boolean> = {
  schema: z.preprocess(
    (value) => (typeof value === "boolean" ? value : BOOLEANS.get(String(value).toLowerCase())),
    z.boolean(),
  ),
  expects: "true or false",
  placeholder: "boolean",
};

export function choice<const T extends string>(...values: readonly T[]): Kind<string> {
  return { schema: z.enum(values), expects: `one of ${values.join(", ")}`, placeholder: "name" };
}

export const identifier: Kind<string> = {
  schema: z.string().min(1).max(255),
  expects: "a name of 1 to 255 characters",
  placeholder: "name",
};

export const address: Kind<string> = {
  schema: z.string().regex(/^[^\s/]+$/),
  expects: "a host name or IP address without a port",
  placeholder: "address",
};

/** Any text. */
export const text: Kind<string> = { schema: z.string(), expects: "a text", placeholder: "text" };

function expand(text: string, { cwd, home, dataDir }: Surroundings): string {
  const path = text.replaceAll("{data_dir}", dataDir);
  return resolve(cwd, path === "~" || path.startsWith("~/") ? home + path.slice(1) : path);
}

export const path: Kind<string> = {
  schema: z.string().min(1),
  expects: "a path",
  placeholder: "path",
  finish: expand,
};

/** A path, or empty: none. */
export const optionalPath: Kind<string> = {
  schema: z.string(),
  expects: "a path",
  placeholder: "path",
  finish: (value, surroundings) => (value === "" ? "" : expand(value, surroundings)),
};

/** A path, an https address (http on this machine alone: keys that were exchanged on the way are anybody's), or empty. */
export const optionalPathOrUrl: Kind<string> = {
  schema: z
    .string()
    .refine(
      (value) => !/^[a-z]+:\/\//i.test(value) || /^(https:\/\/|http:\/\/(127\.|localhost[:/]|\[::1\]))/i.test(value),
    ),
  expects: "a path or an https:// address",
  placeholder: "path",
  finish: (value, surroundings) => (value === "" || /^https?:/i.test(value) ? value : expand(value, surroundings)),
};

export const optionalText: Kind<string> = { schema: z.string(), expects: "a text", placeholder: "text" };

/** Kinds of catalog whose text after the colon is a file. */
const FILE_CATALOG = /^(duckdb|sqlite):(.+)$/s;

export const catalog: Kind<string> = {
  schema: z.string().regex(/^(duckdb|sqlite|postgres|postgresql|mysql|quack):.+$/s),
  expects: "`duckdb:PATH`, `sqlite:PATH`, `postgres:CONNECTION STRING` or `quack:HOST:PORT`",
  placeholder: "catalog",
  finish(value, surroundings) {
    const [, kind, file] = FILE_CATALOG.exec(value) ?? [];
    return kind === undefined || file === undefined ? value : `${kind}:${expand(file, surroundings)}`;
  },
};

const STORE_URL = /^[a-z][a-z0-9+.-]+:\/\//i;

export const location: Kind<string> = {
  schema: z
    .string()
    .refine((value) => value !== "" && (!STORE_URL.test(value) || /^(s3|gs|gcs|az|azure|abfss?|r2):\/\//.test(value))),
  expects: "a folder, or an address that begins with s3://, gs:// or az://",
  placeholder: "location",
  finish: (value, surroundings) => (STORE_URL.test(value) ? value : expand(value, surroundings)),
};

/** Threads that append; 0 chooses by the number of cores. DuckDB appends at memory speed, so few are enough. */
export const workerCount: Kind<number> = {
  ...whole(0, 64),
  finish: (value, { coreCount }) => (value > 0 ? value : coreCount <= 2 ? 1 : coreCount <= 8 ? 2 : 4),
};
