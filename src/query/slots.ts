import { must } from "../base/assert.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import { Settings } from "./session-settings.ts";
import { Slot } from "./slot.ts";
import type { Piece } from "./tokens.ts";

/** Connections that one session may hold at once. */
export const MAX_SLOTS = 16;

/**
 * A session's connections: the home slot, which holds its temporary tables, variables and settings, and siblings for
 * statements that run while a result is still being read. Siblings repeat the session's SET and USE statements.
 */
export class Slots implements AsyncDisposable {
  readonly #connect: () => Promise<Connection>;
  readonly #slots: Slot[] = [];
  readonly #settings = new Settings();
  /** True once the session has state that siblings cannot repeat: from then on all statements run at home. */
  isPinned = false;
  #reviving: Promise<void> | undefined;

  /** Connects when it is first revived: a session that only appends needs no connection. */
  constructor(connect: () => Promise<Connection>) {
    this.#connect = connect;
  }

  /** False until the session's first statement. */
  get isConnected(): boolean {
    return this.#slots.length > 0;
  }

  /** To be asked for after `revive`. */
  get home(): Slot {
    return must(this.#slots[0], "the session is connected");
  }

  /**
   * Connects, also anew when the engine had to be given up after a fatal error. Settings are repeated; temporary tables
   * and variables are gone with the instance that held them.
   */
  async revive(): Promise<void> {
    if (this.isConnected && !this.home.connection.isClosed) return;
    this.#reviving ??= this.#connectHome().finally(() => {
      this.#reviving = undefined;
    });
    await this.#reviving;
  }

  async #connectHome(): Promise<void> {
    const home = new Slot(await this.#connect());
    this.#slots.splice(0, this.#slots.length, home);
    this.isPinned = false;
  }

  /** A slot for a statement outside of transactions. */
  async pick(): Promise<Slot> {
    if (this.isPinned && !this.home.isReserved) return this.home;
    return this.#slots.find((slot) => slot.isIdle) ?? (await this.#sibling());
  }

  async #sibling(): Promise<Slot> {
    if (this.#slots.length >= MAX_SLOTS) {
      throw new EiderError(
        "limit_exceeded",
        `this session has ${MAX_SLOTS} results open; read or close one of them first`,
      );
    }
    const slot = new Slot(await this.#connect());
    this.#slots.push(slot);
    return slot;
  }

  /** Repeats on the slot what was set elsewhere since its last statement. To be called in the slot's turn. */
  async catchUp(slot: Slot): Promise<void> {
    slot.settingsVersion = await this.#settings.apply(slot.connection, slot.settingsVersion);
  }

  /** A connection with the session's settings that is no slot: the caller's, who closes it. */
  async detached(): Promise<Connection> {
    const connection = await this.#connect();
    try {
      await this.#settings.apply(connection, 0);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Keeps a setting (SET, USE) that has been made on one slot, for the others, present and future. */
  remember(piece: Piece, ranOn: Slot): void {
    ranOn.settingsVersion = this.#settings.add(piece);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const slot of this.#slots) {
      slot.connection.interrupt();
      slot.connection.close();
    }
  }
}
