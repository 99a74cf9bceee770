import { messageOf } from "../errors.ts";
import { quarantineReason } from "./quarantine.ts";
import { SegmentFile } from "./segment-file.ts";
import type { SealedSegment } from "./types.ts";

/** A full disk, too little memory, too many open files or missing rights say nothing about the file. */
const NOT_DAMAGE =
  /No space left|ENOSPC|Out of Memory|could not allocate|Too many open files|Permission denied|Could not set lock|Read-only file system/i;

/** What Eider's own SQL would be to blame for. */
const NOT_OF_FILES = /^(Binder|Parser|Conversion|Not implemented|Invalid Input|Out of Range|INTERRUPT) Error/;

/** Whether what DuckDB threw when it read a file may be the file's fault. */
export function isDamage(error: unknown): boolean {
  return !NOT_DAMAGE.test(messageOf(error));
}

/**
 * Why a sealed segment cannot be read whole; undefined when it can. Reads every block, each of which has a checksum, where
 * recovery only counts rows.
 */
export async function findDamage(segment: SealedSegment, memoryMb: number): Promise<string | undefined> {
  try {
    const file = await SegmentFile.open(segment.path, { memoryMb, isReadOnly: true });
    try {
      const rows = await file.readThrough();
      return rows === segment.rows ? undefined : `the segment holds ${rows} rows, and not its ${segment.rows}`;
    } finally {
      await file[Symbol.asyncDispose]();
    }
  } catch (error) {
    return isDamage(error) && !NOT_OF_FILES.test(messageOf(error)) ? quarantineReason(error) : undefined;
  }
}
