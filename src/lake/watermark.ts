import { assert } from "../base/assert.ts";
import { type Target, targetKey } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import { stateName, stateTable } from "./state.ts";

export interface Mark {
  readonly target: Target;
  readonly lastSeq: number;
}

/**
 * The writer's watermarks: for each target the `seq` up to which its rows are in the lake, kept in one small inlined
 * table of the writer's own and changed in the transaction that writes the rows. It is the truth after a crash or a lost
 * answer. Only the committer writes here, one transaction at a time: DuckLake makes an INSERT void the UPDATE of another
 * row of the same table. Names are stored in lower case, as identifiers are compared.
 */
export class Watermarks {
  readonly table: string;
  readonly name: string;

  constructor(writerId: string) {
    this.name = stateName("watermark", writerId);
    this.table = stateTable(this.name);
  }

  /** By `targetKey`; a target without a mark is absent, which means 0. */
  async read(connection: Connection): Promise<ReadonlyMap<string, number>> {
    const rows = await connection.rows(
      `SELECT target_schema AS s, target_table AS t, last_seq AS q FROM ${this.table}`,
    );
    return new Map(
      rows.map((row) => [targetKey({ schema: String(row["s"]), table: String(row["t"]) }), Number(row["q"])]),
    );
  }

  /**
   * Makes the rows that a flush will UPDATE, in a transaction of their own: an UPDATE that finds no row would commit
   * without conflicting with anything.
   */
  async insertMissing(connection: Connection, targets: readonly Target[]): Promise<void> {
    const known = await this.read(connection);
    const missing = targets.filter((target) => !known.has(targetKey(target)));
    if (missing.length === 0) return;
    const rows = missing.map((_, i) => `($${i * 2 + 1}, $${i * 2 + 2}, 0)`).join(", ");
    await connection.run(`INSERT INTO ${this.table} VALUES ${rows}`, missing.flatMap(lowerNames));
  }

  /** Within the flush's transaction. */
  async advance(connection: Connection, marks: readonly Mark[]): Promise<void> {
    if (marks.length === 0) return;
    const rows = marks
      .map(({ lastSeq }, i) => {
        assert(Number.isSafeInteger(lastSeq), `seq ${lastSeq} is a safe integer`);
        return `($${i * 2 + 1}, $${i * 2 + 2}, ${lastSeq}::BIGINT)`;
      })
      .join(", ");
    const values = marks.flatMap(({ target }) => lowerNames(target));
    const changed = await connection.run(
      `UPDATE ${this.table} AS w SET last_seq = v.q FROM (VALUES ${rows}) AS v(s, t, q)
        WHERE w.target_schema = v.s AND w.target_table = v.t AND w.last_seq < v.q`,
      values,
    );
    if (changed !== marks.length) {
      throw new EiderError(
        "internal",
        `the watermark table ${this.table} gave ${changed} rows for ${marks.length} targets: it was changed from outside`,
      );
    }
  }
}

function lowerNames(target: Target): [string, string] {
  return [target.schema.toLowerCase(), target.table.toLowerCase()];
}
