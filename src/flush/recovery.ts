import { targetKey } from "../base/target.ts";
import type { SealedSegment } from "../buffer/types.ts";
import type { FlushObserver } from "./observer.ts";
import type { FlushBuffers, FlushLake } from "./types.ts";

/** Removes those of the segments found at start that the watermark has passed. Resolves to the others: they are to be flushed. */
export async function releaseCommitted(
  segments: readonly SealedSegment[],
  { buffers, lake, observer }: { buffers: FlushBuffers; lake: FlushLake; observer: FlushObserver },
): Promise<readonly SealedSegment[]> {
  if (segments.length === 0) return [];
  const marks = await lake.watermarks();
  const isCommitted = (segment: SealedSegment) => segment.lastSeq <= (marks.get(targetKey(segment.target)) ?? 0);
  const byTarget = new Map<string, SealedSegment[]>();
  for (const segment of segments.filter(isCommitted)) {
    const key = targetKey(segment.target);
    byTarget.set(key, [...(byTarget.get(key) ?? []), segment]);
  }
  for (const group of byTarget.values()) await buffers.remove(group, undefined);
  const waiting = segments.filter((segment) => !isCommitted(segment));
  const released = segments.length - waiting.length;
  if (released > 0) observer.recovered("released", released);
  if (waiting.length > 0) observer.recovered("replayed", waiting.length);
  return waiting;
}
