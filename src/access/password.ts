import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { EiderError } from "../errors.ts";

/**
 * Passwords as scrypt hashes (RFC 7914) in PHC's notation, `$scrypt$ln=15,r=8,p=1$salt$hash`. One check takes about 60 ms
 * of one core and 32 MiB, so that few run at a time and few wait: a flood of logins costs others at most that.
 */

interface ScryptHash {
  /** Binary logarithm of the cost. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const COST = { ln: 15, r: 8, p: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Of hashes made elsewhere; more would let a users file stall the server. */
const MAX_MEMORY_BYTES = 256 * 2 ** 20;

const PATTERN = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,})\$([A-Za-z0-9+/]{22,})$/;

/** Undefined: not such a hash, or one that would cost too much to check. */
export function parsePasswordHash(text: string): ScryptHash | undefined {
  const [, ln, r, p, salt, hash] = PATTERN.exec(text) ?? [];
  if (ln === undefined || salt === undefined || hash === undefined) return undefined;
  const parsed = { ln: Number(ln), r: Number(r), p: Number(p) };
  const isDear = parsed.ln < 10 || memoryBytes(parsed) > MAX_MEMORY_BYTES || parsed.p > 4 || parsed.r === 0;
  if (isDear || parsed.p === 0) return undefined;
  return { ...parsed, salt: Buffer.from(salt, "base64"), hash: Buffer.from(hash, "base64") };
}

const memoryBytes = ({ ln, r }: { ln: number; r: number }) => 128 * r * 2 ** ln;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, { ...COST, salt, hash: Buffer.alloc(HASH_BYTES) });
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${phcBase64(salt)}$${phcBase64(hash)}`;
}

export async function matchesHash(password: string, expected: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

/** What is compared with when there is no such user, so that the answer takes as long. */
export const NO_USER: ScryptHash = { ...COST, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) };

export interface CheckLimits {
  /** Checks at a time. */
  readonly running: number;
  readonly waiting: number;
  /** Of one address, running and waiting. */
  readonly perAddress: number;
}

const LIMITS: CheckLimits = { running: 1, waiting: 256, perAddress: 8 };

/** Checks of passwords, in turn. */
export class PasswordChecks {
  readonly #limits: CheckLimits;
  readonly #waiting: Array<() => void> = [];
  readonly #byAddress = new Map<string, number>();
  #running = 0;

  constructor(limits: CheckLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Runs `check` when its turn comes; the next begins after it has ended. Throws `throttled` when too many wait. */
  async inTurn<T>(address: string, check: () => Promise<T>): Promise<T> {
    const own = this.#byAddress.get(address) ?? 0;
    if (own >= this.#limits.perAddress || this.#waiting.length >= this.#limits.waiting) {
      throw new EiderError("throttled", "too many logins are being checked: try again in a few seconds");
    }
    this.#byAddress.set(address, own + 1);
    if (this.#running >= this.#limits.running) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await check();
    } finally {
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

function derive(password: string, { ln, r, p, salt, hash }: ScryptHash): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: 2 ** ln, r, p, maxmem: 2 * memoryBytes({ ln, r }) + 2 ** 20 };
    scrypt(password.normalize("NFC"), salt, hash.length, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function phcBase64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
