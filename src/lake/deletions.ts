import { type Target, targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { LAKE } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import type { CatalogRow } from "./catalogs.ts";
import { METADATA, type Metadata } from "./metadata.ts";
import { Turn } from "./turn.ts";

/**
 * COMMITs of transactions that delete. DuckLake 1.5.5 writes what is deleted from a file with deletions together with those, under
 * the first one's snapshot, and looks only for later snapshots to learn what others have deleted meanwhile: it commits both
 * transactions, each with a file of deletions of its own, and the table shows the rows of the data file twice. So each looks
 * here before it commits, and no other comes between the two: none of this process, and none of another where the catalog's
 * database has locks (`lockSql`). What needs no look: the first deletion
 * from a file, and what inserts, too (an UPDATE, a flush of upserts), are conflicts to DuckLake itself.
 */
export class Deletions {
  readonly #connect: () => Promise<Connection>;
  readonly #metadata: Metadata;
  readonly #lockSql: string | undefined;
  readonly #turn = new Turn();

  constructor(connect: () => Promise<Connection>, metadata: Metadata, row: CatalogRow) {
    this.#connect = connect;
    this.#metadata = metadata;
    this.#lockSql = row.lockSql?.(METADATA);
  }

  /**
   * `commit` is the transaction's, open on `connection`; `from`: names in lower case, among them those of the tables from which
   * it has deleted, and of their schemas; none: it is committed at once. Throws `write_conflict` instead of calling it.
   */
  async commit(connection: Connection, from: ReadonlySet<string>, commit: () => Promise<void>): Promise<void> {
    if (from.size === 0) return await commit();
    const lookAndCommit = async () => {
      const lost = (await this.#changedSince(connection)).find(
        ({ schema, table }) => from.has(table.toLowerCase()) && from.has(schema.toLowerCase()),
      );
      if (lost) {
        const text = `attempting to delete from table ${targetName(lost)}, but another transaction has deleted from it`;
        throw new EiderError(
          "write_conflict",
          `Transaction conflict - ${text}: nothing of the transaction was committed; run it again from its first statement`,
        );
      }
      await commit();
    };
    await this.#turn.run(() => this.#locked(lookAndCommit));
  }

  /** Not on one of `work`'s connections: PostgreSQL shows what was there when a transaction's first query, this one, began. */
  async #locked(work: () => Promise<void>): Promise<void> {
    if (this.#lockSql === undefined) return await work();
    using lock = await this.#connect();
    await lock.run("BEGIN");
    try {
      await lock.rows(this.#lockSql);
      await work();
    } finally {
      await lock.rollback();
    }
  }

  /** Tables from whose files with deletions others have deleted more since the transaction's snapshot. */
  async #changedSince(connection: Connection): Promise<Target[]> {
    const [snapshot] = await connection.rows(`SELECT id FROM ${LAKE}.current_snapshot()`);
    const id = Number(snapshot?.["id"]);
    using own = await this.#connect();
    const rows = await this.#metadata.rows(
      own,
      `SELECT DISTINCT s.schema_name, t.table_name FROM ${METADATA}.ducklake_delete_file d
         JOIN ${METADATA}.ducklake_table t ON t.table_id = d.table_id AND t.end_snapshot IS NULL
         JOIN ${METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
        WHERE d.begin_snapshot <= ${id}
          AND d.delete_file_id >= coalesce((SELECT max(next_file_id) FROM ${METADATA}.ducklake_snapshot WHERE snapshot_id = ${id}), 0)`,
    );
    return rows.map((row) => ({ schema: String(row["schema_name"]), table: String(row["table_name"]) }));
  }
}
