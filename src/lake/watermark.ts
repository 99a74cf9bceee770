import { assert } from "../base/assert.ts";
import { type Target, targetKey } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import { stateName, stateTable } from "./state.ts";

export interface Mark {
  readonly target: Target;
  readonly lastSeq: number;
}

/** The row of the lease, beside those of tables, whose names are never empty. */
const IS_LEASE = "target_schema = '' AND target_table = ''";
const LEASE_KEY = targetKey({ schema: "", table: "" });

/**
 * The writer's watermarks: for each target the `seq` up to which its rows are in the lake, kept in one small inlined
 * table of the writer's own and changed in the transaction that writes the rows. It is the truth after a crash or a lost
 * answer. Only the committer writes here, one transaction at a time: DuckLake makes an INSERT void the UPDATE of another
 * row of the same table. Names are stored in lower case, as identifiers are compared.
 */
export class Watermarks {
  readonly table: string;
  readonly name: string;
  /** The number by which this process holds the lease: see lease.ts. */
  #lease: number | undefined;
  #isTakenOver = false;
  /** Targets whose rows have been seen: they are never deleted, and need not be asked for before each flush. */
  readonly #present = new Set<string>();

  constructor(writerId: string) {
    this.name = stateName("watermark", writerId);
    this.table = stateTable(this.name);
  }

  /** Another process has taken over the writer: nothing of this one's may be flushed any more. */
  get isTakenOver(): boolean {
    return this.#isTakenOver;
  }

  /** Makes the lease `next`, in a transaction of its own; `check` gets the present one and may throw. */
  async takeLease(connection: Connection, next: number, check: (present: number) => void): Promise<void> {
    await connection.transaction(async () => {
      const present = await this.#readLease(connection);
      if (present === undefined) {
        await connection.run(`INSERT INTO ${this.table} VALUES ('', '', ${next})`);
      } else {
        check(present);
        await connection.run(`UPDATE ${this.table} SET last_seq = ${next} WHERE ${IS_LEASE}`);
      }
    });
    this.#lease = next;
  }

  async #readLease(connection: Connection): Promise<number | undefined> {
    const [row] = await connection.rows(`SELECT last_seq AS q FROM ${this.table} WHERE ${IS_LEASE}`);
    return row && Number(row["q"]);
  }

  /** By `targetKey`; a target without a mark is absent, which means 0. Throws `config_invalid` once taken over. */
  async read(connection: Connection): Promise<ReadonlyMap<string, number>> {
    const rows = await connection.rows(
      `SELECT target_schema AS s, target_table AS t, last_seq AS q FROM ${this.table}`,
    );
    const marks = new Map(
      rows.map((row) => [targetKey({ schema: String(row["s"]), table: String(row["t"]) }), Number(row["q"])]),
    );
    const lease = marks.get(LEASE_KEY);
    marks.delete(LEASE_KEY);
    for (const key of marks.keys()) this.#present.add(key);
    if (lease !== this.#lease) {
      this.#isTakenOver = true;
      throw new EiderError(
        "config_invalid",
        `another server has taken over ${this.name}: it serves this data folder, or a copy of it. Stop one of the two; ` +
          "rows that wait here are kept and not flushed",
      );
    }
    return marks;
  }

  /**
   * Makes the rows that a flush will UPDATE, in a transaction of their own: an UPDATE that finds no row would commit
   * without conflicting with anything.
   */
  async insertMissing(connection: Connection, targets: readonly Target[]): Promise<void> {
    if (targets.every((target) => this.#present.has(targetKey(target)))) return;
    await connection.transaction(async () => {
      const marks = await this.read(connection);
      const missing = targets.filter((target) => !marks.has(targetKey(target)));
      if (missing.length === 0) return;
      const rows = missing.map((_, i) => `($${i * 2 + 1}, $${i * 2 + 2}, 0)`).join(", ");
      await connection.run(`UPDATE ${this.table} SET last_seq = last_seq WHERE ${IS_LEASE}`);
      await connection.run(`INSERT INTO ${this.table} VALUES ${rows}`, missing.flatMap(lowerNames));
    });
  }

  /** Within the flush's transaction. The lease's row is written too, so that a take-over makes it void. */
  async advance(connection: Connection, marks: readonly Mark[]): Promise<void> {
    if (marks.length === 0) return;
    const rows = marks
      .map(({ lastSeq }, i) => {
        assert(Number.isSafeInteger(lastSeq), `seq ${lastSeq} is a safe integer`);
        return `($${i * 2 + 1}, $${i * 2 + 2}, ${lastSeq}::BIGINT)`;
      })
      .concat(`('', '', ${this.#lease}::BIGINT)`)
      .join(", ");
    const values = marks.flatMap(({ target }) => lowerNames(target));
    const changed = await connection.run(
      `UPDATE ${this.table} AS w SET last_seq = v.q FROM (VALUES ${rows}) AS v(s, t, q)
        WHERE w.target_schema = v.s AND w.target_table = v.t AND (w.last_seq < v.q OR v.t = '')`,
      values,
    );
    if (changed !== marks.length + 1) {
      this.#present.clear();
      throw new EiderError(
        "internal",
        `the watermark table ${this.table} gave ${changed} rows for ${marks.length} targets and the lease: it was changed from outside`,
      );
    }
  }
}

function lowerNames(target: Target): [string, string] {
  return [target.schema.toLowerCase(), target.table.toLowerCase()];
}
