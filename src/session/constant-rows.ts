import type { Frame, RowStream } from "../flight/backend.ts";
import { frameRows } from "./row-streams.ts";

/**
 * What a query of literals gives, kept from its first run: the same each time, so that what clients send to find out
 * whether a connection is alive needs neither a connection nor another thread.
 */
export class ConstantRows {
  #kept: { readonly schema: Uint8Array; readonly frames: readonly Frame[] } | undefined;

  /** Undefined before the first run. */
  again(): RowStream | undefined {
    return this.#kept && frameRows(this.#kept.schema, this.#kept.frames);
  }

  /** Reads the first run's rows to their end. */
  async keep(rows: RowStream): Promise<RowStream> {
    await using open = rows;
    const { schema } = open;
    const frames: Frame[] = [];
    // Without the room that a frame's sender may write to: these are sent over and over.
    for await (const { header, body } of open.frames()) frames.push({ header, body });
    this.#kept = { schema, frames };
    return frameRows(schema, frames);
  }
}
