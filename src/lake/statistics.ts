import { randomUUID } from "node:crypto";
import { type Connection, withConnection } from "../duck/database.ts";
import { messageOf } from "../errors.ts";
import { stateTable } from "./state.ts";
import type { Log } from "./types.ts";

/** What DuckLake says when it meets statistics of a column's old type. */
export function isOfOldStatistics(error: unknown): boolean {
  return /SetMin or SetMax called with Value that does not match/.test(messageOf(error));
}

/**
 * After a column's type has changed, or such an error: has every process load the tables' statistics anew. DuckLake 1.5.5
 * keeps them for as long as the snapshots' `next_file_id` stays, with the types that the columns had then. A filter on a
 * widened column then fails, in queries and in the flush of a keyed table, which so would never add the file that ends it.
 * An inlined row takes a number of a file, also when it is deleted at once; the delete meets no other transaction's row.
 * A transaction of its own, which adds nothing to the ALTER's. Never rejects: until it has been done the next error has
 * it done.
 */
export async function renewStatistics(connect: () => Promise<Connection>, log: Log): Promise<void> {
  const table = stateTable("primary_keys");
  const row = [randomUUID()];
  try {
    await withConnection(connect, (connection) =>
      connection.transaction(async () => {
        await connection.run(`INSERT INTO ${table} (table_uuid) VALUES ($1)`, row);
        await connection.run(`DELETE FROM ${table} WHERE table_uuid = $1`, row);
      }),
    );
  } catch (error) {
    log.warn({ error: messageOf(error) }, "the statistics of a column that has another type could not be loaded anew");
  }
}
