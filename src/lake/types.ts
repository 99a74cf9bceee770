import type { Target } from "../base/target.ts";
import type { Compaction, SealedSegment } from "../buffer/types.ts";
import type { ConflictClass } from "../duck/conflicts.ts";
import type { Connection } from "../duck/database.ts";
import type { EiderError } from "../errors.ts";

/**
 * One table's part of a flush: its waiting segments in order, all for the same table and keyed alike, and the winners among their rows. The
 * table's present shape is read in the transaction itself.
 */
export interface FlushPart {
  readonly target: Target;
  readonly segments: readonly SealedSegment[];
  readonly compaction: Compaction;
}

export interface FlushOutcome {
  /** Rows written to and deleted from the lake; both 0 for a part that the watermark showed to be committed before. */
  readonly rowsInserted: number;
  readonly rowsDeleted: number;
  readonly alreadyCommitted: boolean;
  readonly target: Target;
}

/** A part that is not in the lake, or not known to be: its segments must stay and be flushed again. */
export interface FlushFailure {
  readonly target: Target;
  readonly error: EiderError;
}

export interface CommitResult {
  /** In the order of the parts; every part has an outcome or a failure. */
  readonly outcomes: readonly FlushOutcome[];
  readonly failures: readonly FlushFailure[];
  readonly phasesMs: Readonly<Record<CommitPhase, number>>;
  /** The COMMIT's answer was lost at least once. */
  readonly wasInDoubt: boolean;
  /** Attempts that another committer's transaction made void. */
  readonly conflicts: readonly ConflictClass[];
}

export type CommitPhase = "write" | "guard" | "commit" | "harden";

export type { ConflictClass };

/** Loads a DuckDB extension into the connection's instance. */
export type LoadExtension = (connection: Connection, name: string) => Promise<void>;

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
