import { quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { removeDatabase, tempFolderOf } from "./buffer-folder.ts";
import { withInstance } from "./instance.ts";
import { RowLayout } from "./row-layout.ts";
import type { Compaction, SealedSegment } from "./types.ts";

/** A row's place as one number: segment index, then rowid in this many bits. */
const ROWID_BITS = 40;
const THREADS = 2;

/**
 * Finds the last write of each key: `max(place) … GROUP BY key`. Ten million rows fit into 64 MB that way, while
 * arg_max and DISTINCT ON run out of memory at 512 MB. Throws when the segments' keys differ: which row is the last of a
 * key has no answer then.
 */
export async function compact(segments: readonly SealedSegment[], path: string, memoryMb: number): Promise<Compaction> {
  const rowsIn = segments.reduce((sum, segment) => sum + segment.rows, 0);
  const [first] = segments;
  if (first === undefined || first.primaryKey.length === 0) {
    requireSameKeys(segments);
    return { path: undefined, rowsIn, rowsOut: rowsIn };
  }
  requireSameKeys(segments);
  const settings = { memoryMb, threads: THREADS, tempFolder: tempFolderOf(path) };
  const rowsOut = await withInstance(settings, async (database, connection) => {
    await connection.run("SET preserve_insertion_order = false");
    for (const [index, segment] of segments.entries()) {
      await database.attachFile(connection, segment.path, `s${index}`, "READ_ONLY");
    }
    await database.attachFile(connection, path, "out");
    // Own names for the key's columns: one of them might be called like the column beside them.
    const key = first.primaryKey.map((name, index) => `${quoteIdentifier(name)} AS k${index}`).join(", ");
    const names = first.primaryKey.map((_, index) => `k${index}`).join(", ");
    const places = segments.map(
      (_, index) => `SELECT ${key}, (${index}::BIGINT << ${ROWID_BITS}) + rowid AS place FROM s${index}.main.rows`,
    );
    await connection.run(
      `CREATE TABLE out.main.winners AS
         SELECT (place >> ${ROWID_BITS})::INTEGER AS segment, place & ((1::BIGINT << ${ROWID_BITS}) - 1) AS rid
         FROM (SELECT max(place) AS place FROM (${places.join(" UNION ALL ")}) GROUP BY ${names})`,
    );
    const [count] = await connection.rows("SELECT count(*) AS n FROM out.main.winners");
    await connection.run("CHECKPOINT out");
    await database.detachFile(connection, path, "out");
    return Number(count?.["n"]);
  });
  if (rowsOut < rowsIn) return { path, rowsIn, rowsOut };
  await removeDatabase(path);
  return { path: undefined, rowsIn, rowsOut };
}

function requireSameKeys(segments: readonly SealedSegment[]): void {
  const layouts = segments.map((segment) => new RowLayout(segment));
  const [first] = layouts;
  if (first === undefined || layouts.every((layout) => layout.sameKeyAs(first))) return;
  throw new EiderError("internal", "segments of different primary keys cannot be compacted together");
}
