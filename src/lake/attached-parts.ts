import type { Connection, Database } from "../duck/database.ts";
import { fromDuckError } from "../duck/errors.ts";
import { type EiderError, messageOf } from "../errors.ts";
import type { AttachedSegment } from "./flush-sql.ts";
import type { FlushPart, Log } from "./types.ts";

export interface AttachedPart {
  readonly part: FlushPart;
  readonly segments: readonly AttachedSegment[];
  /** The winners' file. */
  readonly winners: string | undefined;
}

/** Aliases are seen by all connections of the instance, so that they are never used twice. */
let aliasCount = 0;

/**
 * The parts' files, attached READ_ONLY to the lake instance for one flush, by a connection that does nothing else, so that
 * they can be detached whatever became of the flush's own.
 */
export class AttachedParts {
  readonly parts: AttachedPart[] = [];
  readonly failures: Array<{ readonly part: FlushPart; readonly error: EiderError }> = [];
  readonly #database: Database;
  readonly #connection: Connection;
  readonly #files: Array<{ readonly path: string; readonly alias: string }> = [];

  private constructor(database: Database, connection: Connection) {
    this.#database = database;
    this.#connection = connection;
  }

  /** A part with a file that cannot be attached is in `failures`; the others go on. */
  static async open(database: Database, parts: readonly FlushPart[]): Promise<AttachedParts> {
    const attached = new AttachedParts(database, await database.connect());
    for (const part of parts) {
      try {
        attached.parts.push(await attached.#attachPart(part));
      } catch (error) {
        attached.failures.push({ part, error: fromDuckError(error) });
      }
    }
    return attached;
  }

  async #attachPart(part: FlushPart): Promise<AttachedPart> {
    const segments: AttachedSegment[] = [];
    for (const [index, segment] of part.segments.entries()) {
      segments.push({ segment, index, alias: await this.#attach(segment.path) });
    }
    const { path } = part.compaction;
    return { part, segments, winners: path === undefined ? undefined : await this.#attach(path) };
  }

  async #attach(path: string): Promise<string> {
    aliasCount++;
    const alias = `__eider_flush_${aliasCount}`;
    await this.#database.attachFile(this.#connection, path, alias, "READ_ONLY");
    this.#files.push({ path, alias });
    return alias;
  }

  /** After the flush's transaction has ended. A file that stays attached blocks its segment, so that it is logged. */
  async close(log: Log): Promise<void> {
    for (const { path, alias } of this.#files.splice(0)) {
      try {
        await this.#database.detachFile(this.#connection, path, alias);
      } catch (error) {
        log.error({ file: path, error: messageOf(error) }, "a flushed segment could not be detached");
      }
    }
    this.#connection.close();
  }
}
