/** Failed logins that are answered at once, and how fast that many are forgiven. */
export interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** Keys that are remembered; the one that failed longest ago is forgotten first. */
const MAX_KEYS = 10_000;

/** A bucket of failures per key (https://en.wikipedia.org/wiki/Token_bucket). A success costs nothing. */
export class Throttle {
  readonly #allowance: Allowance;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(allowance: Allowance, nowMs: () => number) {
    this.#allowance = allowance;
    this.#nowMs = nowMs;
  }

  /** Seconds until another attempt is allowed; 0: now. */
  waitSeconds(key: string): number {
    const left = this.#left(key);
    return left >= 1 ? 0 : Math.ceil((1 - left) / this.#allowance.perSecond);
  }

  failed(key: string): void {
    const left = Math.max(0, this.#left(key) - 1);
    this.#buckets.delete(key);
    this.#buckets.set(key, { left, atMs: this.#nowMs() });
    if (this.#buckets.size <= MAX_KEYS) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }

  #left(key: string): number {
    const { burst, perSecond } = this.#allowance;
    const bucket = this.#buckets.get(key);
    if (!bucket) return burst;
    return Math.min(burst, bucket.left + ((this.#nowMs() - bucket.atMs) / 1000) * perSecond);
  }
}
