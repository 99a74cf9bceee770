import type { Connection } from "../duck/database.ts";
import type { Piece } from "./tokens.ts";

const ASSIGNS: ReadonlySet<string> = new Set(["=", "to"]);
/** Words that say how a setting is made, not which. */
const VERBS: ReadonlySet<string> = new Set(["set", "reset", "session", "local"]);

/** The setting that a SET, RESET or USE statement is about. */
function settingOf({ tokens }: Piece): string {
  const end = tokens.findIndex((token) => ASSIGNS.has(token.text));
  const words = tokens.slice(0, end < 0 ? undefined : end).map((token) => token.text);
  return words[0] === "use" ? "use" : words.filter((word) => !VERBS.has(word)).join(" ");
}

/** A session's SET and USE statements, the last one of each setting in the order in which they were made. */
export class Settings {
  readonly #bySetting = new Map<string, { readonly sql: string; readonly version: number }>();
  #version = 0;

  /** The version that the connection on which it has run is at. */
  add(piece: Piece): number {
    const setting = settingOf(piece);
    this.#bySetting.delete(setting);
    this.#bySetting.set(setting, { sql: piece.sql, version: ++this.#version });
    return this.#version;
  }

  /**
   * Runs what is newer than `version`; resolves to the version that the connection is at then. One that fails, because
   * its schema was dropped for example, keeps nobody from the others: where it was made, it is in force no more either.
   */
  async apply(connection: Connection, version: number): Promise<number> {
    const target = this.#version;
    for (const setting of this.#bySetting.values()) {
      if (setting.version > version) await connection.run(setting.sql).catch(() => undefined);
    }
    return target;
  }
}
