import { EiderError } from "../errors.ts";
import { Turn } from "./turn.ts";

/** How long a statement that defines a table waits for another's transaction. */
const DEFINITION_WAIT_MS = 60_000;
/** The same for a flush: others wait behind it, and it is made again later. */
const FLUSH_DEFINITION_WAIT_MS = 1_000;

/**
 * The turn of transactions that define tables, anybody's. Taken before the turn of Eider's own transactions; a flush,
 * which has that already, waits for a moment only, because a session's transaction may keep this one for long.
 */
export class Definitions {
  readonly #turn = new Turn();

  /**
   * To be held from a transaction's first CREATE, ALTER or DROP in the lake until it has ended: DuckLake 1.5.5 reads freed
   * memory when two transactions that define tables overlap in one process, and takes the process down. Throws
   * `write_conflict` when another one keeps it for too long.
   */
  hold(): Promise<() => void> {
    return this.#hold(DEFINITION_WAIT_MS);
  }

  /** Runs `work` while it is held: for one statement, or a transaction that ends within. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(DEFINITION_WAIT_MS, work);
  }

  /** The same by a flush, or by whatever is done again later. */
  runInFlush<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(FLUSH_DEFINITION_WAIT_MS, work);
  }

  async #run<T>(waitMs: number, work: () => Promise<T>): Promise<T> {
    const release = await this.#hold(waitMs);
    try {
      return await work();
    } finally {
      release();
    }
  }

  async #hold(waitMs: number): Promise<() => void> {
    const release = await this.#turn.hold(waitMs);
    if (release) return release;
    throw new EiderError(
      "write_conflict",
      `another transaction has been changing tables for ${waitMs / 1000} s; try again when it has ended`,
    );
  }
}
