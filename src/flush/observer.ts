import type { Target } from "../base/target.ts";
import type { SealReason } from "../buffer/types.ts";
import type { ErrorCode } from "../errors.ts";
import type { CommitPhase } from "../lake/types.ts";

/** One table's share of one flush, as `eider_flushes()` and the metrics show it. */
export interface FlushRecord {
  readonly target: Target;
  /** Why the oldest of the segments was sealed. */
  readonly reason: SealReason;
  readonly segments: number;
  readonly rowsIn: number;
  /** Rows that won their key: written as rows or, for deletes, as deletions. */
  readonly rowsOut: number;
  readonly rowsInserted: number;
  readonly rowsDeleted: number;
  /** Arrow body bytes as received. */
  readonly bytes: number;
  readonly startedMs: number;
  readonly durationMs: number;
  /** `write` to `harden` are those of the whole commit, which other tables share. */
  readonly phasesMs: Readonly<Partial<Record<FlushPhase, number>>>;
  /** The watermark showed that an earlier attempt had been committed. */
  readonly alreadyCommitted: boolean;
  /** Undefined when the rows are in the lake. */
  readonly error: string | undefined;
}

export type FlushPhase = CommitPhase | "compact" | "remove";

/** What the flusher tells the metrics. */
export interface FlushObserver {
  flushed(record: FlushRecord): void;
  /** An attempt that failed, with the error's code; the rows stay and are tried again. */
  failed(target: Target, reason: SealReason, code: ErrorCode): void;
  inDoubt(): void;
  /** Segments found at start: `released` were in the lake already, `replayed` are flushed again. */
  recovered(outcome: "released" | "replayed", count: number): void;
}
