import type { Connection } from "../duck/database.ts";
import { LAKE, STATE_SCHEMA } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { METADATA, type Metadata } from "./metadata.ts";
import { settleSchema } from "./settled-schema.ts";
import { stateName, stateTable } from "./state.ts";

/**
 * Fence rows: one table with one row for each keyed table, UPDATEd by everyone who writes that table by key. Two
 * transactions that add the same new key delete nothing and so do not conflict; the fence makes the second one fail. One
 * table each, because updates of different rows of one table conflict too.
 */
export class Fences {
  readonly #everyKeyedTable: boolean;
  readonly #known = new Set<string>();

  /** `everyKeyedTable`: more than one process commits to this lake. */
  constructor(everyKeyedTable: boolean) {
    this.#everyKeyedTable = everyKeyedTable;
  }

  /** Whether a flush must touch the fence of the keyed table with this uuid. */
  isNeeded(tableUuid: string): boolean {
    return this.#everyKeyedTable || this.has(tableUuid);
  }

  has(tableUuid: string): boolean {
    return this.#known.has(tableUuid);
  }

  name(tableUuid: string): string {
    return stateName("fence", tableUuid);
  }

  /** Learns the fences that exist, so that a process that needs none by itself heeds those made for direct writes. */
  async load(connection: Connection, metadata: Metadata): Promise<void> {
    const rows = await metadata.rows(
      connection,
      `SELECT t.table_name AS name FROM ${METADATA}.ducklake_table t JOIN ${METADATA}.ducklake_schema s USING (schema_id)
        WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND s.schema_name = $1 AND t.table_name LIKE 'fence\\_%' ESCAPE '\\'`,
      [STATE_SCHEMA],
    );
    for (const row of rows) this.#known.add(String(row["name"]).slice("fence_".length));
  }

  /** Makes the fence, in a transaction of its own and not beside a flush. */
  async ensure(connection: Connection, tableUuid: string): Promise<void> {
    if (this.has(tableUuid)) return;
    const table = stateTable(this.name(tableUuid));
    await connection.transaction(async () => {
      await settleSchema(connection);
      await connection.run(`CREATE TABLE IF NOT EXISTS ${table} (version BIGINT)`);
      const [row] = await connection.rows(`SELECT count(*) AS n FROM ${table}`);
      if (row?.["n"] === 0n) await connection.run(`INSERT INTO ${table} VALUES (0)`);
    });
    this.#known.add(tableUuid);
  }

  /** Within the transaction that writes the table's rows. */
  async touch(connection: Connection, tableUuid: string): Promise<void> {
    const table = stateTable(this.name(tableUuid));
    const changed = await connection.run(`UPDATE ${table} SET version = version + 1`);
    if (changed !== 1) {
      throw new EiderError(
        "internal",
        `the fence ${table} in ${LAKE} holds ${changed} rows instead of 1: it was changed from outside`,
      );
    }
  }
}
