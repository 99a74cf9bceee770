import { randomUUID } from "node:crypto";
import type { TableShape } from "../base/table.ts";
import { type Target, targetName } from "../base/target.ts";
import type { StageStream } from "../buffer/types.ts";
import { lakeTable, qualifiedName, quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { deleteByKey, type KeyColumn, keyOf } from "../lake/key-deletion.ts";
import type { Lake } from "../lake/lake.ts";
import type { Slot } from "../query/slot.ts";
import type { SqlSession, Transaction } from "../query/sql-session.ts";
import { whileDefining } from "./definitions.ts";

/**
 * Writes a staged stream straight into the lake (or a temporary table): the rows wait in a closed DuckDB file, which the
 * session's connection attaches and INSERTs from, in the session's transaction or in one of its own. No appender runs
 * on the main thread, and a keyed table gets upserts, as its buffer would give it.
 */
export interface DirectWrite {
  /** Statements that make the table, run in the same transaction before the rows. */
  readonly prepare: readonly string[];
  /** The table's quoted name. */
  readonly into: string;
  readonly columns: readonly string[];
  readonly key: readonly KeyColumn[];
  /** Undefined for a temporary table. */
  readonly target: Target | undefined;
}

export function directWriteInto(
  shape: TableShape,
  columns: readonly string[],
  prepare: readonly string[] = [],
): DirectWrite {
  const key = keyOf(shape, shape.primaryKey);
  return { prepare, into: lakeTable(shape.target), columns, key, target: shape.target };
}

export async function writeDirect(
  lake: Lake,
  sql: SqlSession,
  transaction: Transaction | undefined,
  stage: StageStream,
  write: DirectWrite,
): Promise<number> {
  const file = await stage.toFile();
  const alias = `eider_stage_${randomUUID().replaceAll("-", "")}`;
  const work = async (slot: Slot) => {
    await lake.database.attachFile(slot.connection, file.path, alias, "READ_ONLY");
    if (write.target && write.key.length > 0) await fence(lake, slot, write.target, transaction);
    for (const statement of write.prepare) await slot.connection.run(statement);
    await insertRows(slot, qualifiedName(alias, "rows"), write);
  };
  const release = async (slot: Slot) => {
    try {
      await lake.database.detachFile(slot.connection, file.path, alias);
    } finally {
      await stage.discard();
    }
  };
  const run = async () => {
    if (transaction) {
      // A file stays attached until the transaction that read it has ended: DETACH inside would abort it.
      await sql.onSlot(transaction, async (slot) => {
        transaction.atEnd(() => release(slot));
        await work(slot);
      });
      return;
    }
    // Within the turn it could not be made.
    if (write.target && write.key.length > 0) await lake.makeFence(write.target);
    await lake.commit("direct", () =>
      sql.onSlot(undefined, async (slot) => {
        try {
          await lake.clients.run(slot.connection, () => work(slot));
        } finally {
          await release(slot);
        }
      }),
    );
  };
  await (write.target && write.prepare.length > 0 ? whileDefining(lake, transaction, run) : run());
  return file.rows;
}

/**
 * Two transactions that add one new key delete nothing and would both commit: the fence makes the second one fail. A table
 * that this transaction has made itself has no other writer.
 */
async function fence(lake: Lake, slot: Slot, target: Target, transaction: Transaction | undefined): Promise<void> {
  if (!(await lake.describe(target))) return;
  if (transaction?.holdsDefinitions && (await lake.lacksFence(target))) {
    // Making it now would wait for this transaction. A failure shows when it is needed again.
    transaction.atEnd(() => lake.makeFence(target).catch(() => undefined));
    throw notReady(target);
  }
  try {
    await lake.touchFence(slot.connection, target);
  } catch (error) {
    if (error instanceof EiderError && error.row.retryable) throw error;
    throw notReady(target, error);
  }
}

function notReady(target: Target, cause?: unknown): EiderError {
  return new EiderError(
    "write_conflict",
    `the transaction began before table ${targetName(target)} was ready for direct writes by key; roll back and try again`,
    { cause },
  );
}

async function insertRows(slot: Slot, from: string, write: DirectWrite): Promise<void> {
  const columns = write.columns.map(quoteIdentifier).join(", ");
  if (write.key.length === 0) {
    await slot.connection.run(`INSERT INTO ${write.into} (${columns}) SELECT ${columns} FROM ${from}`);
    return;
  }
  const key = write.key.map(({ name }) => quoteIdentifier(name)).join(", ");
  const nulls = write.key.map(({ name }) => `${quoteIdentifier(name)} IS NULL`).join(" OR ");
  const [bad] = await slot.connection.rows(`SELECT count(*) AS n FROM ${from} WHERE ${nulls}`);
  if (bad?.["n"] !== 0n) {
    throw new EiderError(
      "constraint_violated",
      `a row has NULL in the primary key (${key}) of ${write.into}; nothing was stored`,
    );
  }
  await deleteByKey(slot.connection, { from: write.into, key: write.key, keysSql: `SELECT ${key} FROM ${from}` });
  await slot.connection.run(
    `INSERT INTO ${write.into} (${columns}) SELECT ${columns} FROM ${from}
      WHERE rowid IN (SELECT max(rowid) FROM ${from} GROUP BY ${key})`,
  );
}
