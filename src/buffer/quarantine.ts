import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncPath } from "../base/sync-path.ts";
import { writeDurably } from "../base/write-durably.ts";
import { messageOf } from "../errors.ts";
import { parquetFolderOf, QUARANTINE, sizeOf, usedPath, walPath } from "./buffer-folder.ts";
import type { Log } from "./log.ts";

/** A segment file that could not be read whole. */
export interface QuarantinedSegment {
  readonly path: string;
  /** The folder in `quarantine/` with the file, its WAL and `reason.json`. */
  readonly movedTo: string;
  readonly reason: string;
  /** Rows that could be kept: those before the damage in its WAL. 0 when the file was set aside as a whole. */
  readonly rowsKept: number;
}

const REASON = "reason.json";

/** Damaged segments are set aside in `quarantine/`, never deleted. */
export class Quarantine {
  readonly #bufferDir: string;
  readonly #log: Log;
  readonly #onReport: (report: QuarantinedSegment) => void;

  constructor(bufferDir: string, log: Log, onReport: (report: QuarantinedSegment) => void) {
    this.#bufferDir = bufferDir;
    this.#log = log;
    this.#onReport = onReport;
  }

  async copy(path: string): Promise<void> {
    const folder = await this.#folderFor(path);
    for (const file of existing(path)) await copyFile(file, join(folder, basename(file)));
  }

  /** Sets the file aside as it was before any repair: `copy` has kept that. */
  async move(path: string, reason: string): Promise<void> {
    const folder = await this.#folderFor(path);
    const report = { path, movedTo: folder, reason, rowsKept: 0 };
    // First: a move that a crash cuts short is finished at the next start.
    await this.#write(report);
    for (const file of [...existing(path), ...parquetFolder(path)]) {
      const kept = join(folder, basename(file));
      await rename(file, sizeOf(kept) > 0 ? `${kept}.after-repair` : kept);
    }
    await rm(usedPath(path), { force: true });
    await syncPath(dirname(path));
    await syncPath(folder);
    this.#tell(
      report,
      "a damaged segment was set aside; its rows are not in the lake, but for what an earlier flush brought there",
    );
  }

  /** Whether the segment was set aside as a whole, and is there all the same. */
  async hasMoved(path: string): Promise<boolean> {
    const text = await readFile(join(this.#pathFor(path), REASON), "utf8").catch(() => undefined);
    return text !== undefined && (JSON.parse(text) as QuarantinedSegment).rowsKept === 0;
  }

  async reportSalvaged(path: string, reason: string, rowsKept: number): Promise<void> {
    const folder = await this.#folderFor(path);
    const report = { path, movedTo: folder, reason, rowsKept };
    await this.#write(report);
    this.#tell(
      report,
      "a segment's WAL, or its tokens, are damaged; all else was kept, a copy of it all was set aside",
    );
  }

  async #write(report: QuarantinedSegment): Promise<void> {
    const text = `${JSON.stringify({ ...report, atMs: Date.now() }, undefined, 2)}\n`;
    await writeDurably(join(report.movedTo, REASON), text);
    await syncPath(dirname(report.movedTo));
  }

  #tell(report: QuarantinedSegment, message: string): void {
    this.#log.error(report, message);
    this.#onReport(report);
  }

  #pathFor(path: string): string {
    return join(this.#bufferDir, QUARANTINE, basename(dirname(path)), basename(path, ".duckdb"));
  }

  async #folderFor(path: string): Promise<string> {
    const folder = this.#pathFor(path);
    await mkdir(folder, { recursive: true });
    return folder;
  }
}

function existing(path: string): string[] {
  return [path, walPath(path)].filter((file) => sizeOf(file) > 0);
}

/** Is never repaired, and may be large: not copied. */
function parquetFolder(path: string): string[] {
  return [parquetFolderOf(path)].filter((folder) => existsSync(folder));
}

export function quarantineReason(error: unknown): string {
  return messageOf(error).split("\n")[0] ?? "unknown";
}

/** Bytes in front of an entry of the WAL: its length and its checksum. */
const WAL_ENTRY_HEADER_BYTES = 16;

/**
 * Cuts the WAL off before the entry that DuckDB's error names; what comes before is whole transactions, or is ignored.
 * False when the error names none, or nothing would be cut.
 */
export async function truncateWal(path: string, error: unknown): Promise<boolean> {
  const position = /WAL file: .*byte position (\d+)/s.exec(messageOf(error))?.[1];
  if (position === undefined) return false;
  const lengthBytes = Number(position) - WAL_ENTRY_HEADER_BYTES;
  if (lengthBytes <= 0 || lengthBytes >= sizeOf(path)) return false;
  await truncate(path, lengthBytes);
  return true;
}
