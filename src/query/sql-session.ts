import { randomUUID } from "node:crypto";
import { startWriteTimes } from "../base/write-times.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import type { OpenTransactions } from "./open-transactions.ts";
import type { Slot } from "./slot.ts";
import { Slots } from "./slots.ts";

/**
 * A transaction of a session. It begins at its first statement, so that an idle client pins no snapshot, and keeps one
 * slot from then to its end. One that is left alone for too long is rolled back, because it keeps its snapshot, its slot
 * and what it defines from others; from then on it refuses everything but ROLLBACK, lest what its client sends next be
 * committed statement by statement.
 */
export class Transaction {
  readonly id: string;
  readonly #open: OpenTransactions;
  #sinceMs = startWriteTimes();
  #users = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Settles when it has been rolled back because nobody used it. */
  #leftAlone: Promise<void> | undefined;
  #slot: Slot | undefined;
  #beginning: Promise<Slot> | undefined;
  readonly #atEnd: Array<() => Promise<void>> = [];
  #hasEnded = false;

  constructor(id: string, open: OpenTransactions) {
    this.id = id;
    this.#open = open;
  }

  /** To be held until a statement and its result have ended, whatever they wait for; the returned function lets go. Throws `transaction_aborted` once it was left alone. */
  use(): () => void {
    this.throwIfLeftAlone();
    this.#users++;
    clearTimeout(this.#idleTimer);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#users--;
      this.#startIdleTimer();
    };
  }

  /** Throws `transaction_aborted`. */
  throwIfLeftAlone(): void {
    if (!this.#leftAlone) return;
    throw new EiderError(
      "transaction_aborted",
      `no statement of the transaction ran for transaction_idle_seconds (${this.#open.idleSeconds}): it was rolled back, ` +
        "and nothing of it was stored. ROLLBACK, and begin it again",
    );
  }

  /** One that has not begun keeps nothing from anybody. */
  #startIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    if (this.#users > 0 || !this.#slot || this.#hasEnded) return;
    this.#idleTimer = setTimeout(() => this.#onIdle(), this.#open.idleSeconds * 1000).unref();
  }

  #onIdle(): void {
    this.#open.leftAloneCount++;
    this.#leftAlone = this.#finish("rollback").catch(() => undefined);
  }

  get hasBegun(): boolean {
    return this.#slot !== undefined;
  }

  /** The slot, with the transaction begun on it. */
  async begin(slots: Slots): Promise<Slot> {
    this.throwIfLeftAlone();
    if (this.#slot?.connection.isClosed) {
      throw new EiderError(
        "transaction_aborted",
        "the engine was restarted after a fatal error; roll back and try again",
      );
    }
    // Statements that come meanwhile wait for the same BEGIN.
    if (this.#beginning) return await this.#beginning;
    if (this.#slot) return this.#slot;
    this.#beginning = this.#beginOn(slots).finally(() => {
      this.#beginning = undefined;
    });
    return await this.#beginning;
  }

  async #beginOn(slots: Slots): Promise<Slot> {
    const slot = slots.home.isReserved ? await slots.pick() : slots.home;
    // Nobody would end it again.
    if (this.#hasEnded) {
      throw new EiderError("transaction_aborted", "the transaction ended before the statement ran: it changed nothing");
    }
    slot.isReserved = true;
    this.#slot = slot;
    try {
      await slot.exclusive(async () => {
        await slots.catchUp(slot);
        this.#sinceMs = startWriteTimes();
        await slot.connection.run("BEGIN TRANSACTION");
        slot.isInTransaction = true;
        this.#open.count++;
      });
    } catch (error) {
      slot.isReserved = false;
      this.#slot = undefined;
      throw error;
    }
    return slot;
  }

  /** False while nothing but reads has used it. */
  mayHaveWritten = false;

  /** Names of what its statements have deleted from: see `Deletions.commit`. */
  readonly deleting = new Set<string>();

  /** Set once the transaction has defined tables: see `Lake.holdDefinitions`. */
  holdsDefinitions = false;

  /**
   * Runs after the transaction has ended, either way: for files that it read, and what it kept others from. Whether it
   * was committed is known by then: an error must not hide that, nor keep the next one from running.
   */
  atEnd(release: () => Promise<void>): void {
    this.#atEnd.push(release);
  }

  /** COMMIT that fails rolls back and rethrows DuckDB's error. */
  async end(action: "commit" | "rollback", commit: Commit): Promise<void> {
    this.#hasEnded = true;
    clearTimeout(this.#idleTimer);
    await this.#leftAlone;
    if (action === "commit") this.throwIfLeftAlone();
    await this.#finish(action, commit);
  }

  async #finish(action: "commit" | "rollback", commit?: Commit): Promise<void> {
    const slot = this.#slot;
    this.#slot = undefined;
    if (!slot) {
      for (const release of this.#atEnd.splice(0)) await release().catch(() => undefined);
      return;
    }
    try {
      await slot.exclusive(async () => {
        if (slot.connection.isClosed) {
          if (action === "rollback") return;
          throw new EiderError(
            "transaction_aborted",
            "the engine was restarted after a fatal error; nothing was committed",
          );
        }
        if (action === "rollback" || !commit) return slot.connection.rollback();
        try {
          await requireUsable(slot.connection);
          await commit(slot.connection, this.mayHaveWritten ? this.#sinceMs : undefined, this.deleting);
        } catch (error) {
          await slot.connection.rollback();
          throw error;
        }
      });
    } finally {
      // Not when BEGIN failed while this waited for its turn.
      if (slot.isInTransaction) {
        this.#open.count--;
        slot.isInTransaction = false;
        slot.isReserved = false;
      }
      for (const release of this.#atEnd.splice(0)) await slot.exclusive(release).catch(() => undefined);
    }
  }
}

/** COMMIT of a transaction that an error has aborted rolls back, and DuckDB says nothing of it. */
async function requireUsable(connection: Connection): Promise<void> {
  try {
    await connection.run("SELECT 1");
  } catch (error) {
    if (!(error instanceof EiderError) || error.code !== "transaction_aborted") throw error;
    throw new EiderError(
      "transaction_aborted",
      "an earlier error has aborted the transaction: it was rolled back, and nothing of it was stored",
      { cause: error },
    );
  }
}

/** Runs `work` with the transaction, if there is one, in use. */
export async function whileUsing<T>(transaction: Transaction | undefined, work: () => Promise<T>): Promise<T> {
  const letGo = transaction?.use();
  try {
    return await work();
  } finally {
    letGo?.();
  }
}

/**
 * COMMIT of a transaction whose files have the times that `startWriteTimes` tells; undefined: it has only read. `deleting`: see
 * `Transaction`.
 */
export type Commit = (
  connection: Connection,
  sinceMs: (() => number) | undefined,
  deleting: ReadonlySet<string>,
) => Promise<void>;

/** A client session's DuckDB side: its connections and transactions. Owned by the session, which closes it. */
export class SqlSession implements AsyncDisposable {
  readonly slots: Slots;
  /** Its transactions' ids begin with it, so that one that has ended is told from another session's. */
  readonly #id = randomUUID();
  readonly #transactions = new Map<string, Transaction>();
  #begun = 0;

  readonly #commit: Commit;
  readonly #open: OpenTransactions;

  constructor(connect: () => Promise<Connection>, commit: Commit, open: OpenTransactions) {
    this.slots = new Slots(connect);
    this.#commit = commit;
    this.#open = open;
  }

  /**
   * The transaction that a statement belongs to: the named one; when that has ended (a prepared statement outlives the
   * transaction it was made in) or none is named, the session's open one; else none (autocommit).
   *
   * Throws `not_found` for one that this session has not begun: what a client sends after its connection broke, without
   * a token or cookie of the session that went with it, would be committed statement by statement.
   */
  transactionFor(id?: string): Transaction | undefined {
    if (id !== undefined && !id.startsWith(`${this.#id}/`)) {
      throw new EiderError(
        "not_found",
        `transaction ${id} was not begun in this session, so that the statement did not run: the session that began it ` +
          "has ended, or is another connection's. Begin a transaction anew",
      );
    }
    return (id === undefined ? undefined : this.#transactions.get(id)) ?? [...this.#transactions.values()].at(-1);
  }

  beginTransaction(): Transaction {
    const transaction = new Transaction(`${this.#id}/${++this.#begun}`, this.#open);
    this.#transactions.set(transaction.id, transaction);
    return transaction;
  }

  async endTransaction(id: string, action: "commit" | "rollback"): Promise<void> {
    const transaction = this.#transactions.get(id);
    if (!transaction) throw new EiderError("not_found", `transaction ${id} is not open in this session`);
    this.#transactions.delete(id);
    await transaction.end(action, this.#commit);
  }

  /**
   * Runs `body` alone on the right slot: that of the transaction, else one that is free. `read` for what surely writes
   * nothing to the lake: COMMIT after nothing else is cheaper.
   */
  async onSlot<T>(
    transaction: Transaction | undefined,
    body: (slot: Slot) => Promise<T>,
    use: "read" | "write" = "write",
  ): Promise<T> {
    return whileUsing(transaction, async () => {
      if (transaction && use === "write") transaction.mayHaveWritten = true;
      await this.slots.revive();
      const slot = transaction ? await transaction.begin(this.slots) : await this.slots.pick();
      return await slot.exclusive(async () => {
        await this.slots.catchUp(slot);
        return body(slot);
      });
    });
  }

  /** Runs `body` on the home slot, beside any transaction. */
  async onHome<T>(body: (slot: Slot) => Promise<T>): Promise<T> {
    await this.slots.revive();
    const { home } = this.slots;
    return home.exclusive(async () => {
      await this.slots.catchUp(home);
      return body(home);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const transaction of [...this.#transactions.values()].reverse()) {
      await transaction.end("rollback", this.#commit).catch(() => undefined);
    }
    this.#transactions.clear();
    await this.slots[Symbol.asyncDispose]();
  }
}
