import { randomUUID } from "node:crypto";
import { EiderError, LimitError } from "../errors.ts";
import type { SessionRecord } from "./session.ts";

export interface Lease<T> {
  /** Unguessable; what the client is given. */
  readonly id: string;
  readonly owner: SessionRecord;
  readonly value: T;
  expiresAtMs: number;
}

export interface LeaseOptions<T> {
  /** What it is called in messages: `ticket`, `prepared statement`. */
  readonly kind: string;
  readonly limit: number;
  /** The setting's name. */
  readonly limitName: string;
  /** What its user can do when it is reached, and how long it takes by itself. */
  readonly advice: string;
  /** Infinity: until its session ends. */
  readonly ttlSeconds: number;
  readonly now: () => number;
  readonly release: (value: T) => Promise<void>;
}

/**
 * Things that a client may name in a later call, on this or another of its connections: one table for the whole server,
 * each entry bound to the principal that made it and freed with the session that made it.
 */
export class LeaseTable<T> {
  readonly #options: LeaseOptions<T>;
  readonly #leases = new Map<string, Lease<T>>();

  constructor(options: LeaseOptions<T>) {
    this.#options = options;
  }

  /** Throws `limit_exceeded`; the value is then the caller's to free. */
  add(owner: SessionRecord, value: T): Lease<T> {
    const { kind, limit, limitName, advice, ttlSeconds, now } = this.#options;
    if (this.#leases.size >= limit) {
      throw new LimitError(
        "limit_exceeded",
        limitName,
        `there are ${this.#leases.size} ${kind}s, as many as ${limitName} (${limit}) allows: ${advice}`,
      );
    }
    const id = randomUUID();
    const lease = { id, owner, value, expiresAtMs: now() + ttlSeconds * 1000 };
    this.#leases.set(id, lease);
    return lease;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** Undefined: unknown, expired, or another principal's, which is not told apart. */
  find(id: string, owner: string): Lease<T> | undefined {
    const lease = this.#leases.get(id);
    if (!lease || lease.owner.owner !== owner || lease.expiresAtMs <= this.#options.now()) return undefined;
    return lease;
  }

  /** Throws `not_found`. */
  get(id: string, owner: string): Lease<T> {
    const lease = this.find(id, owner);
    if (!lease) {
      throw new EiderError(
        "not_found",
        `no such ${this.#options.kind}: it was used, closed, has expired, or its session has`,
      );
    }
    return lease;
  }

  /** Like `get`, and the value is the caller's from then on. */
  take(id: string, owner: string): Lease<T> {
    const lease = this.get(id, owner);
    this.#leases.delete(id);
    return lease;
  }

  renew(lease: Lease<T>): void {
    lease.expiresAtMs = this.#options.now() + this.#options.ttlSeconds * 1000;
  }

  /** Idempotent. */
  async close(lease: Lease<T>): Promise<void> {
    if (this.#leases.delete(lease.id)) await this.#options.release(lease.value);
  }

  async closeOwned(owner: SessionRecord): Promise<void> {
    await this.#closeAll([...this.#leases.values()].filter((lease) => lease.owner === owner));
  }

  async expire(): Promise<void> {
    const now = this.#options.now();
    await this.#closeAll([...this.#leases.values()].filter((lease) => lease.expiresAtMs <= now));
  }

  async #closeAll(leases: readonly Lease<T>[]): Promise<void> {
    await Promise.all(leases.map((lease) => this.close(lease)));
  }
}
