import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { syncPath } from "../base/sync-path.ts";
import type { Target } from "../base/target.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { LakeFiles } from "./lake-files.ts";
import { isCode } from "./local-files.ts";
import type { Log } from "./types.ts";

/** What one flush attempt is about to commit: second names for its new files, and how to tell whether it did. */
export interface GuardEntry {
  readonly flushId: string;
  readonly folder: string;
  readonly createdMs: number;
  /** Committed when the watermark of each has come this far. */
  readonly marks: ReadonlyArray<{ readonly target: Target; readonly lastSeq: number }>;
  /** `path` is relative to the data path, `saved` a name in the folder. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly saved: string }>;
}

const MANIFEST = "flush.json";
/**
 * DuckLake deletes the files of a COMMIT whose answer it did not get, even when the catalog took it. So each new file gets
 * a second copy before COMMIT (a hard link where it can), and both are made durable (DuckLake does not): if the commit
 * turns out to have taken effect, what is missing is put back.
 */
export class Guards {
  readonly #files: LakeFiles;
  readonly #log: Log;
  /** Files put back so far. */
  restored = 0;

  private constructor(files: LakeFiles, log: Log) {
    this.#files = files;
    this.#log = log;
  }

  static async open(files: LakeFiles, log: Log): Promise<Guards> {
    await mkdir(files.guardRoot, { recursive: true });
    return new Guards(files, log);
  }

  /** After a COMMIT that was answered nothing can be missing, and looking costs requests. */
  get trustsAnswers(): boolean {
    return this.#files.trustsAnswers;
  }

  /** All files under `folders`, which need not exist yet. */
  async list(folders: readonly string[]): Promise<ReadonlySet<string>> {
    const lists = await Promise.all(folders.map((folder) => this.#files.list(folder)));
    return new Set(lists.flat());
  }

  /**
   * Saves the files that are under `folders` and not in `before`; another transaction's are among them, which
   * does no harm. When this resolves, a power cut can neither lose the files nor the copies.
   */
  async protect(
    folders: readonly string[],
    before: ReadonlySet<string>,
    marks: GuardEntry["marks"],
  ): Promise<GuardEntry> {
    const fresh = [...(await this.list(folders))].filter((path) => !before.has(path));
    return await this.#protectFiles(fresh, marks, (path, to) => this.#save(path, to));
  }

  /**
   * The same for a client's transaction, which may write to any table: saves what was written since it began, whoever
   * wrote it. Undefined when that is nothing.
   */
  async protectSince(sinceMs: number): Promise<GuardEntry | undefined> {
    const fresh = await this.#files.writtenSince(sinceMs);
    if (fresh.length === 0) return undefined;
    return await this.#protectFiles(fresh, [], async (path, to) => {
      // What vanishes is another transaction's: orphans are deleted when they are a day old.
      await this.#files.save(path, to).catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
    });
  }

  async #protectFiles(
    fresh: readonly string[],
    marks: GuardEntry["marks"],
    save: (path: string, to: string) => Promise<void>,
  ): Promise<GuardEntry> {
    const flushId = randomUUID();
    const folder = join(this.#files.guardRoot, flushId);
    await mkdir(folder, { recursive: true });
    // The catalog refers to a file only after COMMIT, so the order of the copies does not matter.
    const saving = fresh.map(async (path, i) => {
      const saved = `${i}.link`;
      await save(path, join(folder, saved));
      return { path: this.#files.relative(path), saved };
    });
    try {
      const entry: GuardEntry = { flushId, folder, createdMs: Date.now(), marks, files: await Promise.all(saving) };
      await writeFile(join(folder, MANIFEST), JSON.stringify({ ...entry, folder: undefined }));
      await syncPath(join(folder, MANIFEST));
      await Promise.all([folder, this.#files.guardRoot].map(syncPath));
      await this.#files.syncFolders(fresh);
      return entry;
    } catch (error) {
      // Removed only once nothing is added to it any more.
      await Promise.allSettled(saving);
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** The entry's files that are not where the catalog expects them. */
  async missing(entry: GuardEntry): Promise<readonly string[]> {
    const found = await Promise.all(entry.files.map(({ path }) => this.#files.exists(this.#files.pathOf(path))));
    return entry.files.filter((_, i) => !found[i]).map(({ path }) => path);
  }

  /** Puts files back from their copies. */
  async restore(entry: GuardEntry, paths: readonly string[]): Promise<void> {
    const wanted = entry.files.filter(({ path }) => paths.includes(path));
    for (const { path, saved } of wanted) {
      await this.#files.restore(join(entry.folder, saved), this.#files.pathOf(path));
      this.restored++;
      this.#log.warn({ file: basename(path), flush: entry.flushId }, "restored a committed file that had been deleted");
    }
  }

  /** Makes the files' directory entries durable. */
  async syncFolders(entry: GuardEntry): Promise<void> {
    await this.#files.syncFolders(entry.files.map(({ path }) => this.#files.pathOf(path)));
  }

  async drop(entry: GuardEntry): Promise<void> {
    await rm(entry.folder, { recursive: true, force: true });
  }

  /** Entries that an earlier process left; what has no whole manifest never came to COMMIT and is removed. */
  async leftovers(): Promise<GuardEntry[]> {
    const entries: GuardEntry[] = [];
    for (const name of await readdir(this.#files.guardRoot)) {
      const folder = join(this.#files.guardRoot, name);
      try {
        const text = await readFile(join(folder, MANIFEST), "utf8");
        entries.push({ ...(JSON.parse(text) as Omit<GuardEntry, "folder">), folder });
      } catch (error) {
        this.#log.info(
          { folder: name, error: messageOf(error) },
          "removed the guard of a flush that did not come to COMMIT",
        );
        await rm(folder, { recursive: true, force: true });
      }
    }
    return entries;
  }

  async #save(path: string, to: string): Promise<void> {
    try {
      await this.#files.save(path, to);
    } catch (error) {
      if (!isGone(error)) throw error;
      // Another transaction's, rolled back this moment; or ours, removed as an orphan, and then COMMIT must not follow.
      throw new EiderError("write_conflict", `file ${path} vanished before COMMIT; the flush is made again`, {
        cause: error,
      });
    }
  }
}

function isGone(error: unknown): boolean {
  return isCode(error, "ENOENT") || (error instanceof EiderError && error.code === "not_found");
}
