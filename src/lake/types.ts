import type { TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import type { Compaction, SealedSegment } from "../buffer/types.ts";

/** One table's part of a flush: its waiting segments in order, and the winners among their rows. */
export interface FlushPart {
  readonly shape: TableShape;
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

export interface CommitResult {
  readonly outcomes: readonly FlushOutcome[];
  readonly phasesMs: Readonly<Record<"write" | "guard" | "commit" | "harden", number>>;
  /** The COMMIT's answer was lost and the watermark settled it. */
  readonly wasInDoubt: boolean;
}
