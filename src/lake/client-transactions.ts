import { startWriteTimes } from "../base/write-times.ts";
import type { Connection } from "../duck/database.ts";
import type { CommitServices } from "./commit.ts";
import { commitUnmarked } from "./unmarked-commit.ts";

const NOTHING: ReadonlySet<string> = new Set();

/** Transactions in which clients themselves write to the lake. */
export class ClientTransactions {
  readonly #services: CommitServices;
  /** Whether the answer to a COMMIT can be lost, so that a client's own statements need a transaction that is guarded too. */
  readonly isGuarded: boolean;

  constructor(services: CommitServices, isGuarded: boolean) {
    this.#services = services;
    this.isGuarded = isGuarded;
  }

  /** `Connection.transaction` for what a client writes: see `commit`. */
  async run<T>(connection: Connection, body: () => Promise<T>, deleting = NOTHING): Promise<T> {
    const sinceMs = startWriteTimes();
    await connection.run("BEGIN");
    try {
      const result = await body();
      await this.commit(connection, sinceMs, deleting);
      return result;
    } catch (error) {
      await connection.rollback();
      throw error;
    }
  }

  /**
   * COMMIT of a client's transaction, whose files are `sinceMs` old at most; undefined: it has only read. When COMMIT's
   * answer is lost the client is told so, and the files stay that it has committed; not on object stores, where only the
   * store can keep them. `deleting`: see `Deletions.commit`.
   */
  async commit(
    connection: Connection,
    sinceMs: (() => number) | undefined,
    deleting: ReadonlySet<string>,
  ): Promise<void> {
    await this.#services.deletions.commit(connection, deleting, () => this.#commit(connection, sinceMs));
  }

  async #commit(connection: Connection, sinceMs: (() => number) | undefined): Promise<void> {
    if (!this.isGuarded || !sinceMs) {
      await connection.run("COMMIT");
      return;
    }
    const entry = await this.#services.guards.protectSince(sinceMs());
    await commitUnmarked(this.#services, connection, entry, "a client's transaction");
  }
}
