import { createHash, randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncPath } from "../base/sync-path.ts";
import { type Target, targetKey } from "../base/target.ts";
import { writeDurably } from "../base/write-durably.ts";

/**
 * One target's folder under `buffer_dir`: `target.json` (for people, and for a folder that has tokens alone), segments
 * `seg-*.duckdb` with their WALs, marks and folders of Parquet files, `tokens.duckdb`, `compact-*.duckdb`. JavaScript may stat
 * these files but never opens one that DuckDB has attached: closing it would drop DuckDB's lock, which is per process.
 */

/** Folders of `buffer_dir` that belong to no target. */
export const STAGING = "staging";
export const QUARANTINE = "quarantine";

/** An empty DuckDB file: main header and two database headers. What is smaller was never finished. */
export const EMPTY_FILE_BYTES = 12_288;

const READABLE_BYTES = 100;

/** At most 113 bytes: readable, and unique by 48 bits of the target key's hash. */
export function folderName(target: Target): string {
  const readable = `${target.schema}.${target.table}`.toLowerCase().replaceAll(/[^a-z0-9_.-]/g, "_");
  const hash = createHash("sha256").update(targetKey(target)).digest("hex").slice(0, 12);
  return `${readable.slice(0, READABLE_BYTES)}-${hash}`;
}

/** The worker that a folder belongs to, by the hash at its name's end. */
export function workerOf(folder: string, workers: number): number {
  return Number.parseInt(folder.slice(-8), 16) % workers;
}

export function isTargetFolder(name: string): boolean {
  return /-[0-9a-f]{12}$/.test(name);
}

export function newId(): string {
  return `${Date.now().toString(36)}-${randomBytes(5).toString("hex")}`;
}

export function segmentPath(folder: string, id: string): string {
  return join(folder, `seg-${id}.duckdb`);
}

export function segmentIdOf(path: string): string {
  return basename(path).slice("seg-".length, -".duckdb".length);
}

export function tokensPath(folder: string): string {
  return join(folder, "tokens.duckdb");
}

export async function listSegments(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^seg-.*\.duckdb$/.test(name)).map((name) => join(folder, name));
}

export function walPath(path: string): string {
  return `${path}.wal`;
}

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Bytes of a DuckDB file and its WAL; 0 when missing. */
export function diskBytesOf(path: string): number {
  return sizeOf(path) + sizeOf(walPath(path));
}

/**
 * Exists from before a segment's first acknowledgement: a segment that has one and no tables has lost its WAL, which DuckDB
 * does not notice.
 */
export function usedPath(path: string): string {
  return `${path}.used`;
}

/** Once the segment's tables are committed; makes the names of its files durable too, which DuckDB does not. */
export async function markUsed(path: string): Promise<void> {
  await writeFile(usedPath(path), "");
  await syncPath(dirname(path));
}

export async function removeDatabase(path: string): Promise<void> {
  // The mark, then the WAL: recovery takes either without the file for damage.
  await rm(usedPath(path), { force: true });
  await rm(walPath(path), { force: true });
  await rm(path, { force: true });
  await rm(parquetFolderOf(path), { force: true, recursive: true });
  await rm(tempFolderOf(path), { force: true, recursive: true });
}

/** Of a segment whose rows are not in its file: see `ParquetSlices`. */
export function parquetFolderOf(path: string): string {
  return `${path}.parquet`;
}

/** Where the instance of this file spills to. */
export function tempFolderOf(path: string): string {
  return `${path}.tmp`;
}

/** Creates the target's folder, durably; returns its path. */
export async function ensureFolder(bufferDir: string, target: Target): Promise<string> {
  const folder = join(bufferDir, folderName(target));
  await mkdir(folder, { recursive: true });
  if (sizeOf(join(folder, "target.json")) > 0) return folder;
  const text = `${JSON.stringify({ version: 1, schema: target.schema, table: target.table })}\n`;
  await writeDurably(join(folder, "target.json"), text);
  await syncPath(dirname(folder));
  return folder;
}

/** The target that a folder is for; undefined when `target.json` cannot be read (a segment's own `meta` tells it too). */
export async function readTarget(folder: string): Promise<Target | undefined> {
  try {
    const { schema, table } = JSON.parse(await readFile(join(folder, "target.json"), "utf8")) as Record<
      string,
      unknown
    >;
    return typeof schema === "string" && typeof table === "string" ? { schema, table } : undefined;
  } catch {
    return undefined;
  }
}
