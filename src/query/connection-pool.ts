import type { PoolCounts } from "../base/pool-counts.ts";
import type { Connection } from "../duck/database.ts";
import { keepInterrupting } from "../duck/interrupt.ts";
import { EiderError } from "../errors.ts";

export interface ConnectionPoolOptions {
  readonly connect: () => Promise<Connection>;
  /** Connections at most; further queries wait. */
  readonly max: number;
  /** Idle connections that are kept. */
  readonly idle: number;
  /** Age at which a connection is replaced, once it is not in use. */
  readonly lifetimeMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

interface Pooled {
  readonly connection: Connection;
  readonly openedMs: number;
}

/** A connection on loan; disposing of it gives it back. */
export interface Lease extends AsyncDisposable {
  readonly connection: Connection;
}

/**
 * Owner of the connections for queries over HTTP, which have no session of their own. Whoever waits is served in the
 * order of arrival. A connection that may still be in a transaction when it comes back is rolled back.
 */
export class ConnectionPool implements AsyncDisposable {
  readonly #options: ConnectionPoolOptions;
  /** The last one is used next, so that those that are not needed grow old. */
  readonly #idle: Pooled[] = [];
  readonly #busy = new Set<Connection>();
  readonly #waiting: Array<() => void> = [];
  /** Loans, and connections that are being opened. */
  #taken = 0;
  #opened = 0;
  #waits = 0;
  #waitedMs = 0;
  #isClosed = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  get counts(): PoolCounts {
    return {
      busy: this.#taken,
      idle: this.#idle.length,
      waiting: this.#waiting.length,
      opened: this.#opened,
      waits: this.#waits,
      waitedMs: this.#waitedMs,
    };
  }

  /** Rejects with the signal's reason when it aborts while waiting, and with `shutting_down` once the pool is closed. */
  async lease(signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#taken >= this.#options.max) await this.#turn(signal);
    else this.#taken++;
    try {
      if (this.#isClosed) throw new EiderError("shutting_down", "the server is shutting down");
      return this.#lend(this.#takeIdle() ?? (await this.#open()));
    } catch (error) {
      this.#passOn();
      throw error;
    }
  }

  /** Resolves when a loan has been handed on to this caller, so that `#taken` stays as it is. */
  async #turn(signal: AbortSignal): Promise<void> {
    const startedMs = this.#options.now();
    this.#waits++;
    try {
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => {
          this.#waiting.splice(this.#waiting.indexOf(go), 1);
          reject(signal.reason);
        };
        const go = () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        this.#waiting.push(go);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    } finally {
      this.#waitedMs += this.#options.now() - startedMs;
    }
  }

  #passOn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken--;
    if (this.#taken === 0) this.#onEmpty?.();
  }

  #takeIdle(): Pooled | undefined {
    for (let pooled = this.#idle.pop(); pooled; pooled = this.#idle.pop()) {
      if (this.#isUsable(pooled)) return pooled;
      pooled.connection.close();
    }
    return undefined;
  }

  async #open(): Promise<Pooled> {
    const connection = await this.#options.connect();
    this.#opened++;
    return { connection, openedMs: this.#options.now() };
  }

  #lend(pooled: Pooled): Lease {
    const { connection } = pooled;
    this.#busy.add(connection);
    let isReturned = false;
    return {
      connection,
      [Symbol.asyncDispose]: async () => {
        if (isReturned) return;
        isReturned = true;
        if (!connection.isClosed) await connection.rollback();
        this.#busy.delete(connection);
        const isKept = this.#isUsable(pooled) && !this.#isClosed && this.#keeps();
        if (isKept) this.#idle.push(pooled);
        else connection.close();
        this.#passOn();
      },
    };
  }

  #keeps(): boolean {
    return this.#waiting.length > 0 || this.#idle.length < this.#options.idle;
  }

  #isUsable({ connection, openedMs }: Pooled): boolean {
    return !connection.isClosed && this.#options.now() - openedMs < this.#options.lifetimeMs;
  }

  /** Interrupts what runs and waits until all connections are back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    if (this.#taken > 0) {
      using _ = keepInterrupting(this.#busy);
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
    for (const { connection } of this.#idle.splice(0)) connection.close();
  }
}
