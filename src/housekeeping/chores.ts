import type { TableFiles } from "../lake/info.ts";
import type { Maintenance } from "../lake/maintenance.ts";

/** When housekeeping does what. Tables can say otherwise in the lake, by DuckLake's own option `auto_compact`. */
export interface Policy {
  /** Small files of a table from which they are merged; 0: never. */
  readonly mergeFiles: number;
  /** Flushes that deleted from a table, or its files of deletions, from which it is rewritten; 0: never. */
  readonly rewriteFlushes: number;
  /** Deleted share of a file from which it is rewritten. */
  readonly rewriteDeleteRatio: number;
  /** Age at which snapshots are expired; 0: never. */
  readonly expireSeconds: number;
  /** Age at which files that no snapshot needs any more are deleted; 0: never. */
  readonly cleanSeconds: number;
}

export interface TableState extends TableFiles {
  /** Flushes since its last rewrite that deleted rows. */
  readonly deletingFlushes: number;
}

export interface TableChore {
  readonly priority: number;
  readonly due: (table: TableState, policy: Policy) => Maintenance | undefined;
}

/** THE table of chores for one table, in the order in which they are tried; one at a time for each table. */
export const TABLE_CHORES: readonly TableChore[] = [
  {
    priority: 2,
    due: ({ target, deletingFlushes, deleteFiles, rewriteDeleteRatio }, policy) =>
      policy.rewriteFlushes > 0 && deleteFiles > 0 && Math.max(deletingFlushes, deleteFiles) >= policy.rewriteFlushes
        ? {
            kind: "rewrite",
            target,
            deleteRatio: rewriteDeleteRatio === undefined ? policy.rewriteDeleteRatio : undefined,
          }
        : undefined,
  },
  {
    priority: 1,
    due: ({ target, smallFiles }, policy) =>
      policy.mergeFiles > 0 && smallFiles >= policy.mergeFiles ? { kind: "merge", target } : undefined,
  },
];

/** Of the whole lake, all due at each round for those that are on. */
export function lakeChores(policy: Policy, longestFlushSeconds: number): readonly Maintenance[] {
  const chores: Maintenance[] = [];
  // A snapshot that a flush began from must outlive it.
  if (policy.expireSeconds > 0) {
    chores.push({ kind: "expire", olderThanSeconds: Math.max(policy.expireSeconds, longestFlushSeconds + 3600) });
  }
  if (policy.cleanSeconds > 0) {
    chores.push({ kind: "clean", olderThanSeconds: policy.cleanSeconds });
    chores.push({ kind: "orphans", olderThanSeconds: policy.cleanSeconds });
  }
  return chores;
}
