import type { Connection } from "../duck/database.ts";
import { fromDuckError } from "../duck/errors.ts";
import { interruptOn } from "../duck/interrupt.ts";
import { EiderError } from "../errors.ts";

/** What a slot must be able to ask of the stream that occupies its connection. */
interface Occupant {
  readonly isLive: boolean;
  spool(): Promise<void>;
}

/**
 * One DuckDB connection of a session: statements take turns, and a result that is still being fetched occupies it
 * (a second statement would end that result silently).
 */
export class Slot {
  readonly connection: Connection;
  isInTransaction = false;
  /** Kept for one transaction; other statements of the session go elsewhere. */
  isReserved = false;
  /** Up to which of the session's settings the connection has them. */
  settingsVersion = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #occupant: Occupant | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** A statement runs or waits, or a result is still being computed. */
  get isBusy(): boolean {
    return this.#waiting > 0 || this.#occupant?.isLive === true;
  }

  /** Free for any statement of the session. */
  get isIdle(): boolean {
    return !this.isBusy && !this.isReserved;
  }

  /** Runs `body` alone on the connection, after the statements before it; a live result is spooled first. */
  exclusive<T>(body: () => Promise<T>): Promise<T> {
    return this.inTurn(async () => {
      if (this.#occupant?.isLive) await this.#occupant.spool();
      return await body();
    });
  }

  /** Runs `body`, which runs no statement, after the statements before it; a live result stays as it is. */
  inTurn<T>(body: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const turn = this.#tail.then(body).finally(() => {
      this.#waiting--;
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  occupy(stream: Occupant): void {
    this.#occupant = stream;
  }

  release(stream: Occupant): void {
    if (this.#occupant === stream) this.#occupant = undefined;
  }
}

/**
 * Runs `body`, whose statements run on `slot`, and interrupts DuckDB when the signal aborts meanwhile. An interrupt that
 * nobody asked for comes from the instance's end: see `Connection.abandon`.
 */
export async function interruptible<T>(
  slot: Slot,
  signal: AbortSignal | undefined,
  body: () => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  using _ = interruptOn(signal, slot.connection);
  try {
    return await body();
  } catch (error) {
    if (signal?.aborted || !slot.connection.isClosed || fromDuckError(error).code !== "cancelled") throw error;
    const text =
      "the engine was restarted after a fatal error of another statement, before this one had ended; run it again";
    throw new EiderError("lake_unavailable", text, { cause: error });
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new EiderError("cancelled", "the call was cancelled before its statement ran");
}
