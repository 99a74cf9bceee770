import duckdb from "@duckdb/node-bindings";
import { type Target, targetName } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import { isFatal } from "../duck/errors.ts";
import { interruptOn } from "../duck/interrupt.ts";
import { LAKE, quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import type { CommitServices } from "./commit.ts";
import type { GuardEntry } from "./guard.ts";
import { startOpenLimit } from "./open-limit.ts";
import { commitUnmarked } from "./unmarked-commit.ts";

/** What DuckLake does to its files (https://ducklake.select/docs/stable/duckdb/maintenance/recommended_maintenance). */
export type Maintenance =
  | { readonly kind: "merge" | "flush_inlined"; readonly target: Target }
  | { readonly kind: "rewrite"; readonly target: Target; readonly deleteRatio: number | undefined }
  | { readonly kind: "expire" | "clean" | "orphans"; readonly olderThanSeconds: number };

export interface MaintenanceControl {
  readonly signal: AbortSignal;
  /** Called for each attempt: returns percent of the work done, undefined while unknown. */
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

/** Runs what commits, and that alone, after all other commits where the catalog cannot take two at once. */
type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Resolves to how many files, rows or snapshots it was about; 0 when there was nothing to do. */
export function maintain(
  services: CommitServices,
  work: Maintenance,
  control: MaintenanceControl,
  inTurn: InTurn,
): Promise<number> {
  const { signal } = control;
  return services.retries.run("housekeeping", () => maintainOnce(services, work, control, inTurn), { signal });
}

async function maintainOnce(
  services: CommitServices,
  work: Maintenance,
  { signal, onProgress }: MaintenanceControl,
  inTurn: InTurn,
): Promise<number> {
  using connection = await services.connect();
  try {
    await connection.run("SET enable_progress_bar = true; SET enable_progress_bar_print = false");
    onProgress(() => progressOf(connection));
    throwIfCancelled(signal);
    return "target" in work
      ? await compact(services, connection, work, signal, inTurn)
      : await inTurn(() => stoppable(signal, connection, () => connection.rows(ageSql(work)).then(count)));
  } catch (error) {
    // Before the connection is closed: on a dead instance that would end the process.
    if (isFatal(error)) await services.reopen(error);
    throw error;
  }
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
  services: CommitServices,
  connection: Connection,
  work: Extract<Maintenance, { target: Target }>,
  signal: AbortSignal,
  inTurn: InTurn,
): Promise<number> {
  const { descriptions, guards, settlement, writerId } = services;
  const detail = await descriptions.detail(work.target);
  if (!detail) return 0;
  const before = await guards.list([detail.folder]);
  const throwIfTooOld = startOpenLimit();
  await connection.run("BEGIN");
  let entry: GuardEntry | undefined;
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
    if (!isFatal(error)) await connection.rollback();
    await settlement.discard(entry);
    throw error;
  }
  if (done === 0) await connection.rollback();
  else await inTurn(() => commitUnmarked(services, connection, entry, targetName(work.target)));
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
