import type { Connection } from "../duck/database.ts";

/**
 * How far DuckDB computes ahead of a result's reader (`streaming_buffer_size`), as DuckDB counts it: its vectors take twice
 * that. With its default of 1 MB its threads are stopped and woken for every half batch, up to a quarter of a large
 * result's CPU.
 */
export const MOST_AHEAD_BYTES = 8e6;

/** A tenth more CPU than with the most. With 1 byte DuckDB waits for ever, with 0 it gives no rows. */
const LEAST_AHEAD_BYTES = MOST_AHEAD_BYTES / 128;

/** Results that get as much as there is, until the next ones get half of it. */
const RESULTS_PER_HALVING = 8;

/** What DuckDB may compute ahead for one result; given back when it has ended. */
export interface AheadShare {
  readonly bytes: number;
  giveBack(): void;
}

/**
 * Bounds what all open results hold that their readers have not taken: the more there are, the less gets the next one. Only
 * LEAST_AHEAD_BYTES of each come on top of the limit.
 */
export class ComputeAhead {
  readonly #limitBytes: number;
  #takenBytes = 0;
  /** What connections were told last, when it is not MOST_AHEAD_BYTES, as at their begin. */
  readonly #told = new WeakMap<Connection, number>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Starts a result on the connection, with a share that is the result's from then on; given back here when `start` rejects. */
  async start<T>(connection: Connection, start: (share: AheadShare) => Promise<T>): Promise<T> {
    const told = this.#told.get(connection) ?? MOST_AHEAD_BYTES;
    const fitting = this.#fittingBytes();
    // One step too little is no loss, and no statement more at each change.
    const bytes = told === fitting || told === fitting / 2 ? told : fitting;
    const share = this.#take(bytes);
    try {
      if (bytes !== told) {
        await connection.run(`SET streaming_buffer_size = '${bytes}B'`);
        this.#told.set(connection, bytes);
      }
      return await start(share);
    } catch (error) {
      share.giveBack();
      throw error;
    }
  }

  #fittingBytes(): number {
    const perResult = (this.#limitBytes - this.#takenBytes) / RESULTS_PER_HALVING;
    let bytes = MOST_AHEAD_BYTES;
    while (bytes > perResult && bytes > LEAST_AHEAD_BYTES) bytes /= 2;
    return bytes;
  }

  #take(bytes: number): AheadShare {
    this.#takenBytes += bytes;
    let isTaken = true;
    return {
      bytes,
      giveBack: () => {
        if (isTaken) this.#takenBytes -= bytes;
        isTaken = false;
      },
    };
  }
}
