import { messageOf } from "../errors.ts";
import { quarantineReason } from "./quarantine.ts";
import { SegmentFile } from "./segment-file.ts";
import type { SealedSegment } from "./types.ts";

/** The machine's: a full disk, too little memory, too many open files, missing rights. They say nothing about the file. */
const OF_THE_MACHINE =
  /No space left|ENOSPC|quota exceeded|Out of Memory|could not allocate|Cannot allocate memory|Too many open files|Permission denied|Could not set lock|Read-only file system|temporarily unavailable|Interrupted system call|Stale file handle|timed out|not connected|Host is down|INTERRUPT Error/i;

/** The same of one that is not a database, whatever the class of the error that DuckDB has for it. */
const OF_THE_PARQUET =
  /No magic bytes|too small to be a Parquet file|footer length error|TProtocolException|thrift|Snappy decompression|Out of buffer|decompress|Invalid string encoding/i;

/** What Eider's own SQL would be to blame for. */
const OF_THE_STATEMENT = /^(Binder|Parser|Conversion|Not implemented|Invalid Input|Out of Range) Error/;

/** The file has been read, and is not what was written. */
const OF_THE_FILE =
  /Corrupt database file|not a valid DuckDB database file|Serialization Error|Could not read enough bytes|INTERNAL Error|FATAL Error/;

/** Whether what DuckDB threw at a start, when it opened a file, may be the file's fault. */
export function isDamage(error: unknown): boolean {
  return !OF_THE_MACHINE.test(messageOf(error));
}

/**
 * Why a sealed segment cannot be read whole; undefined when it can. Reads every block of its rows, each of which has a
 * checksum, where recovery only counts them. `lasting`: see `damageOf`.
 */
export async function findDamage(
  segment: SealedSegment,
  memoryMb: number,
  lasting: boolean,
): Promise<string | undefined> {
  try {
    const file = await SegmentFile.open(segment.path, { memoryMb, isReadOnly: true });
    try {
      await file.readMeta();
      const rows = await file.readThrough();
      return rows === segment.rows ? undefined : `the segment holds ${rows} rows, and not its ${segment.rows}`;
    } finally {
      await file[Symbol.asyncDispose]();
    }
  } catch (error) {
    return damageOf(error, lasting);
  }
}

/**
 * The same of an error that reading it has met. Another than of the file, as Input/output error, or that the file is not
 * there, may pass: it is damage once it is `lasting`.
 */
export function damageOf(error: unknown, lasting: boolean): string | undefined {
  const text = messageOf(error);
  if (!isDamage(error)) return undefined;
  if (OF_THE_PARQUET.test(text)) return quarantineReason(error);
  if (OF_THE_STATEMENT.test(text)) return undefined;
  return OF_THE_FILE.test(text) || lasting ? quarantineReason(error) : undefined;
}
