import { targetName } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import type { AttachedPart } from "./attached-parts.ts";
import type { FlushPart } from "./types.ts";
import type { Mark } from "./watermark.ts";

/** The part without the segments that the watermark has passed; empty when that is all of them. */
export function unflushed(attached: AttachedPart, lastSeq: number): AttachedPart[] {
  const segments = attached.segments.filter(({ segment }) => segment.lastSeq > lastSeq);
  return segments.length > 0 ? [{ ...attached, segments }] : [];
}

/** The watermark that the part's commit sets. */
export function markOf({ part }: AttachedPart): Mark {
  return { target: part.target, lastSeq: Math.max(...part.segments.map((segment) => segment.lastSeq)) };
}

/** The commit's extra_info. */
export function auditText(parts: readonly AttachedPart[]): string {
  const segments = parts.flatMap(({ segments: attached }) =>
    attached.map(({ segment: { target, id, firstSeq, lastSeq, rows } }) => ({
      table: targetName(target),
      segment: id,
      firstSeq,
      lastSeq,
      rows,
    })),
  );
  return JSON.stringify({ segments });
}

export function tableIsMissing(part: FlushPart): EiderError {
  const rows = part.segments.reduce((sum, segment) => sum + segment.rows, 0);
  return new EiderError(
    "table_not_found",
    `table ${targetName(part.target)} does not exist any more; ${rows} acknowledged rows wait in its buffer: ` +
      "CREATE TABLE it again, and they are flushed",
  );
}
