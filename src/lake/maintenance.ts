import duckdb from "@duckdb/node-bindings";
import { type Target, targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { interruptOn } from "../duck/interrupt.ts";
import { LAKE, quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { CommitServices } from "./commit.ts";
import { startOpenLimit } from "./open-limit.ts";
import { type CommitVerdict, commitVerdict } from "./verdict.ts";

/** What DuckLake does to its files (https://ducklake.select/docs/stable/duckdb/maintenance/recommended_maintenance). */
export type Maintenance =
  | { readonly kind: "merge" | "flush_inlined"; readonly target: Target }
  | { readonly kind: "rewrite"; readonly target: Target; readonly deleteRatio: number | undefined }
  | { readonly kind: "expire" | "clean" | "orphans"; readonly olderThanSeconds: number };

export interface MaintenanceControl {
  readonly signal: AbortSignal;
  /** Called once: returns percent of the work done, undefined while unknown. */
  readonly onProgress: (read: () => number | undefined) => void;
}

/**
 * Files of a flush under way are in no snapshot yet, so that younger ones must stay, and a snapshot that is expired
 * takes the evidence of conflicts with it (https://github.com/duckdb/ducklake/issues/1472). Other nodes' flushes are
 * unknown here, but not older than `open-limit.ts` allows.
 */
const LEAST_AGE_SECONDS: Readonly<Record<"expire" | "clean" | "orphans", number>> = {
  expire: 3600,
  clean: 3600,
  orphans: 86_400,
};

/** Resolves to how many files, rows or snapshots it was about; 0 when there was nothing to do. */
export async function maintain(
  services: CommitServices,
  work: Maintenance,
  { signal, onProgress }: MaintenanceControl,
): Promise<number> {
  using connection = await services.connect();
  await connection.run("SET enable_progress_bar = true; SET enable_progress_bar_print = false");
  onProgress(() => progressOf(connection));
  throwIfCancelled(signal);
  return "target" in work
    ? await compact(services, connection, work, signal)
    : await stoppable(signal, connection, () => connection.rows(ageSql(work)).then(count));
}

async function stoppable<T>(signal: AbortSignal, connection: Connection, run: () => Promise<T>): Promise<T> {
  throwIfCancelled(signal);
  using _ = interruptOn(signal, connection);
  return await run();
}

function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new EiderError("cancelled", "the task was cancelled");
}

/** In a transaction, and guarded: DuckLake deletes what it wrote also when the answer to this COMMIT is lost. */
async function compact(
  { tables, guards, settlement, writerId, log }: CommitServices,
  connection: Connection,
  work: Extract<Maintenance, { target: Target }>,
  signal: AbortSignal,
): Promise<number> {
  const detail = await tables.detail(work.target);
  if (!detail) return 0;
  const before = await guards.list([detail.folder]);
  const throwIfTooOld = startOpenLimit();
  await connection.run("BEGIN");
  let entry: Awaited<ReturnType<typeof guards.protect>> | undefined;
  let done = 0;
  try {
    done = await stoppable(signal, connection, () => connection.rows(compactSql(work)).then(count));
    if (done > 0) {
      await connection.run(`CALL ${LAKE}.set_commit_message($1, $2)`, [`eider/${writerId}`, work.kind]);
      entry = await guards.protect([detail.folder], before, []);
      // Not later: a COMMIT that is interrupted is in doubt.
      throwIfCancelled(signal);
      throwIfTooOld();
    }
  } catch (error) {
    await connection.rollback();
    await settlement.discard(entry);
    throw error;
  }
  if (done === 0) {
    await connection.rollback();
    return 0;
  }
  let failure: unknown;
  let verdict: CommitVerdict = "durable";
  try {
    await connection.run("COMMIT");
  } catch (error) {
    await connection.rollback();
    verdict = commitVerdict(error);
    if (verdict !== "durable") failure = error;
  }
  try {
    if (verdict === "in_doubt") await settlement.keepCompaction(connection, entry);
    else await settlement.harden(connection, entry, verdict === "durable");
  } catch (error) {
    settlement.keep(entry);
    log.warn({ table: targetName(work.target), error: messageOf(error) }, "compacted files could not be checked yet");
  }
  if (failure !== undefined) throw failure;
  return done;
}

function compactSql(work: Extract<Maintenance, { target: Target }>): string {
  const table = quoteLiteral(work.target.table);
  const schema = quoteLiteral(work.target.schema);
  switch (work.kind) {
    case "merge":
      return `CALL ducklake_merge_adjacent_files('${LAKE}', ${table}, schema => ${schema})`;
    case "flush_inlined":
      return `CALL ducklake_flush_inlined_data('${LAKE}', table_name => ${table}, schema_name => ${schema})`;
    case "rewrite": {
      const ratio = work.deleteRatio === undefined ? "" : `, delete_threshold => ${work.deleteRatio}`;
      return `CALL ducklake_rewrite_data_files('${LAKE}', ${table}, schema => ${schema}${ratio})`;
    }
  }
}

/** Never cleanup_all: it deletes the files of a flush under way. */
function ageSql({ kind, olderThanSeconds }: Extract<Maintenance, { olderThanSeconds: number }>): string {
  const name = { expire: "expire_snapshots", clean: "cleanup_old_files", orphans: "delete_orphaned_files" }[kind];
  const ageSeconds = Math.max(LEAST_AGE_SECONDS[kind], Math.ceil(olderThanSeconds));
  return `CALL ducklake_${name}('${LAKE}', older_than => now() - INTERVAL ${ageSeconds} SECOND)`;
}

function count(rows: ReadonlyArray<Record<string, unknown>>): number {
  const numbers = rows.map((row) => Number(row["files_processed"] ?? row["rows_flushed"] ?? 1));
  return numbers.reduce((sum, n) => sum + n, 0);
}

function progressOf(connection: Connection): number | undefined {
  if (connection.isClosed) return undefined;
  const { percentage } = duckdb.query_progress(connection.handle);
  return percentage < 0 ? undefined : percentage;
}
