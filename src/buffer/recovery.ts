import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Target } from "../base/target.ts";
import { EiderError, messageOf } from "../errors.ts";
import {
  EMPTY_FILE_BYTES,
  listSegments,
  parquetFolderOf,
  readTarget,
  removeDatabase,
  segmentIdOf,
  sizeOf,
  tokensPath,
  usedPath,
  walPath,
} from "./buffer-folder.ts";
import { damageOf, isDamage } from "./damage.ts";
import { type Quarantine, quarantineReason, truncateWal } from "./quarantine.ts";
import { RowLayout } from "./row-layout.ts";
import { Segment, type SegmentSettings } from "./segment.ts";
import { SegmentFile, type TokenRow } from "./segment-file.ts";
import { parquetBytesOf } from "./segment-rows.ts";
import type { ParquetFile } from "./types.ts";

export interface RecoverySettings {
  /** Memory for one file at a time, so that a large WAL replays. */
  readonly memoryMb: number;
  readonly segment: SegmentSettings;
  readonly quarantine: Quarantine;
  /** Tokens before this are not read. */
  readonly cutoffMs: number;
  /** Ids of sealed segments that are handed out already: their files may be attached elsewhere and are only read. */
  readonly known: ReadonlySet<string>;
}

export interface RecoveredSegment {
  readonly id: string;
  readonly lastSeq: number;
  readonly target: Target;
  readonly tokens: readonly TokenRow[];
  /** Undefined for a known one. */
  readonly segment: Segment | undefined;
}

export interface RecoveredFolder {
  readonly target: Target;
  readonly segments: readonly RecoveredSegment[];
}

/** A WAL may be damaged in more than one place. */
const MAX_TRUNCATIONS = 3;

/**
 * Reads one target's folder after a stop of any kind: replays the segments' WALs, deletes what was never committed, sets
 * damaged files aside. Undefined when nothing is left of it, and the folder is gone.
 */
export async function recoverFolder(folder: string, settings: RecoverySettings): Promise<RecoveredFolder | undefined> {
  await removeLeftovers(folder);
  await setOrphansAside(folder, settings.quarantine);
  const segments: RecoveredSegment[] = [];
  for (const path of await listSegments(folder)) {
    const recovered = await recoverSegment(path, settings);
    if (recovered) segments.push(recovered);
  }
  segments.sort((a, b) => a.lastSeq - b.lastSeq);
  const target = segments[0]?.target ?? (await readTarget(folder));
  if (segments.length === 0 && sizeOf(tokensPath(folder)) === 0) {
    await rm(folder, { recursive: true, force: true });
    return undefined;
  }
  return target && { target, segments };
}

/** A WAL whose file is gone cannot be replayed; a mark without a file tells of rows that are gone. */
async function setOrphansAside(folder: string, quarantine: Quarantine): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = /^(seg-.*\.duckdb)\.(?:wal|used)$/.exec(name)?.[1];
    if (file === undefined || existsSync(join(folder, file)) || !existsSync(join(folder, name))) continue;
    await quarantine.move(join(folder, file), "the segment's database file is missing, and rows may have been in it");
  }
}

/** Compactions, spilled temp files, half-written JSON and files of removed segments mean nothing after a restart. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const isLeft = /^compact-|\.tmp$|^target\.json\./.test(name) || isParquetWithoutSegment(folder, name);
    if (isLeft) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Removing a segment ends with them; one whose mark or WAL is left is set aside, and they with it. */
function isParquetWithoutSegment(folder: string, name: string): boolean {
  const [, file] = /^(seg-.*\.duckdb)\.parquet$/.exec(name) ?? [];
  if (file === undefined) return false;
  const path = join(folder, file);
  return ![path, walPath(path), usedPath(path)].some((each) => existsSync(each));
}

async function recoverSegment(path: string, settings: RecoverySettings): Promise<RecoveredSegment | undefined> {
  if (await settings.quarantine.hasMoved(path)) {
    // By its numbers it may look flushed, and would be deleted.
    await settings.quarantine.move(
      path,
      "the segment had been set aside before, and was put back: ingest its rows anew",
    );
    return undefined;
  }
  if (sizeOf(path) < EMPTY_FILE_BYTES && sizeOf(walPath(path)) === 0) {
    if (existsSync(usedPath(path))) await settings.quarantine.move(path, "the segment's database file was cut off");
    else await removeDatabase(path);
    return undefined;
  }
  let reason = "";
  for (let truncations = 0; ; truncations += 1) {
    try {
      const recovered = await readSegment(path, settings);
      if (reason !== "") await settings.quarantine.reportSalvaged(path, reason, recovered?.segment?.state.rows ?? 0);
      return recovered;
    } catch (error) {
      if (!isDamage(error)) {
        throw new EiderError("config_invalid", `segment ${path} cannot be opened: ${messageOf(error)}`, {
          cause: error,
        });
      }
      if (reason === "") {
        reason = quarantineReason(error);
        await settings.quarantine.copy(path);
      }
      const isShorter = truncations < MAX_TRUNCATIONS && (await truncateWal(walPath(path), error));
      if (isShorter) continue;
      await settings.quarantine.move(path, reason);
      return undefined;
    }
  }
}

async function readSegment(path: string, settings: RecoverySettings): Promise<RecoveredSegment | undefined> {
  const { memoryMb, segment, known } = settings;
  const hadWal = sizeOf(walPath(path)) > 0;
  const isReadOnly = known.has(segmentIdOf(path));
  const file = await SegmentFile.open(path, { memoryMb, isReadOnly, instances: segment.instances });
  let recovered: RecoveredSegment | undefined;
  try {
    recovered = await readOpened(file, isReadOnly, hadWal, settings);
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
  // When it fails the instance is closed instead, which says nothing of what was read.
  await file.detach().catch(() => {});
  if (!recovered) await removeDatabase(path);
  return recovered;
}

/** Undefined when nothing was ever committed. */
async function readOpened(
  file: SegmentFile,
  isKnown: boolean,
  hadWal: boolean,
  settings: RecoverySettings,
): Promise<RecoveredSegment | undefined> {
  const { path } = file;
  if (existsSync(usedPath(path)) && !(await file.hasTables())) {
    throw new EiderError("internal", "the segment's WAL is missing or cut off, and rows may have been in it");
  }
  const meta = await file.readMeta();
  if (meta) checkParquet(path, meta.parquet);
  const rows = meta ? await file.countRows() : 0;
  if (!meta || rows === 0) return undefined;
  const tokens = await readTokens(file, meta.id, rows, settings);
  const { target, firstSeq, openedMs } = meta;
  const found = { id: segmentIdOf(path), target, tokens, lastSeq: firstSeq + rows - 1 };
  if (isKnown) return { ...found, segment: undefined };
  const hasNonInserts = await file.hasNonInserts(meta);
  if (hadWal) await tryCheckpoint(file);
  const bytes = sizeOf(path) + parquetBytesOf(meta.parquet);
  const state = { firstSeq, rows, bytes, tokens: tokens.length, openedMs, hasNonInserts, parquet: meta.parquet };
  return { ...found, segment: new Segment(path, new RowLayout(meta), settings.segment, state) };
}

function checkParquet(path: string, files: readonly ParquetFile[]): void {
  for (const { name, bytes } of files) {
    const foundBytes = sizeOf(join(parquetFolderOf(path), name));
    if (foundBytes === bytes) continue;
    const what = foundBytes === 0 ? "is missing" : `has ${foundBytes} bytes, and not its ${bytes}`;
    throw new EiderError("internal", `file ${name} with the segment's rows ${what}`);
  }
}

/** Rows are worth more than their tokens: without these a batch that comes again is stored again. */
async function readTokens(
  file: SegmentFile,
  tableId: string | undefined,
  rows: number,
  { cutoffMs, quarantine }: RecoverySettings,
): Promise<TokenRow[]> {
  try {
    return await file.readTokens(tableId, cutoffMs);
  } catch (error) {
    const damage = damageOf(error, false);
    if (damage === undefined || (await hasDamagedRows(file))) throw error;
    await quarantine.copy(file.path);
    await quarantine.reportSalvaged(file.path, `the segment's tokens cannot be read: ${damage}`, rows);
    return [];
  }
}

async function hasDamagedRows(file: SegmentFile): Promise<boolean> {
  return file.readThrough().then(
    () => false,
    () => true,
  );
}

/** When it fails the WAL stays, and sealing tries it again. */
async function tryCheckpoint(file: SegmentFile): Promise<void> {
  try {
    await file.checkpoint();
  } catch {
    // Sealing reports it.
  }
}
