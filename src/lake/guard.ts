import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, copyFile, link, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { syncPath } from "../base/sync-path.ts";
import type { Target } from "../base/target.ts";
import { EiderError, messageOf } from "../errors.ts";
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
/** The guard's folder within the data path, for when `guard_dir` is on another filesystem. */
const INSIDE_DATA_PATH = ".eider-guard";

/**
 * DuckLake deletes the files of a COMMIT whose answer it did not get, even when the catalog took it. So each new file gets
 * a hard link before COMMIT, and both are fsynced (DuckLake does not): if the commit turns out durable, what is missing is
 * put back. On an object store there is no guard: credentials that cannot delete, or versioning, take its place, and
 * `Guards` is not made.
 */
export class Guards {
  readonly #dataPath: string;
  readonly #root: string;
  readonly #log: Log;

  private constructor(dataPath: string, root: string, log: Log) {
    this.#dataPath = dataPath;
    this.#root = root;
    this.#log = log;
  }

  /** Uses `guardDir` when hard links to it from the data path work, else a folder within the data path. */
  static async open(dataPath: string, guardDir: string, log: Log): Promise<Guards> {
    await mkdir(guardDir, { recursive: true });
    const inside = join(dataPath, INSIDE_DATA_PATH);
    const root = (await canLink(dataPath, guardDir)) ? guardDir : inside;
    await mkdir(root, { recursive: true });
    return new Guards(dataPath, root, log);
  }

  /** All files under `folders`, which need not exist yet. */
  async list(folders: readonly string[]): Promise<ReadonlySet<string>> {
    const lists = await Promise.all(folders.map(filesUnder));
    return new Set(lists.flat());
  }

  /**
   * Links and fsyncs the files that are under `folders` and not in `before`; another transaction's are among them, which
   * does no harm. When this resolves, a power cut can neither lose the files nor the links.
   */
  async protect(
    folders: readonly string[],
    before: ReadonlySet<string>,
    marks: GuardEntry["marks"],
  ): Promise<GuardEntry> {
    const fresh = [...(await this.list(folders))].filter((path) => !before.has(path));
    const flushId = randomUUID();
    const folder = join(this.#root, flushId);
    await mkdir(folder, { recursive: true });
    // The catalog refers to a file only after COMMIT, so the order of the links does not matter.
    const files = await Promise.all(
      fresh.map(async (path, i) => {
        const saved = `${i}.link`;
        await linkFresh(path, join(folder, saved));
        await syncPath(path);
        return { path: relative(this.#dataPath, path), saved };
      }),
    );
    const entry: GuardEntry = { flushId, folder, createdMs: Date.now(), marks, files };
    await writeFile(join(folder, MANIFEST), JSON.stringify({ ...entry, folder: undefined }));
    await syncPath(join(folder, MANIFEST));
    await Promise.all([folder, this.#root, ...this.#foldersOf(files)].map(syncPath));
    return entry;
  }

  /** The entry's files that are not where the catalog expects them. */
  async missing(entry: GuardEntry): Promise<readonly string[]> {
    const found = await Promise.all(entry.files.map(({ path }) => exists(join(this.#dataPath, path))));
    return entry.files.filter((_, i) => !found[i]).map(({ path }) => path);
  }

  /** Puts files back from their links. */
  async restore(entry: GuardEntry, paths: readonly string[]): Promise<void> {
    const wanted = entry.files.filter(({ path }) => paths.includes(path));
    for (const { path, saved } of wanted) {
      const to = join(this.#dataPath, path);
      await mkdir(dirname(to), { recursive: true });
      await linkOrCopy(join(entry.folder, saved), to);
      await syncPath(to);
      this.#log.warn({ file: basename(path), flush: entry.flushId }, "restored a committed file that had been deleted");
    }
  }

  /** Makes the files' directory entries durable. */
  async syncFolders(entry: GuardEntry): Promise<void> {
    const folders = this.#foldersOf(entry.files);
    await Promise.all(folders.map(async (folder) => ((await exists(folder)) ? syncPath(folder) : undefined)));
  }

  async drop(entry: GuardEntry): Promise<void> {
    await rm(entry.folder, { recursive: true, force: true });
  }

  /** Entries that an earlier process left; what has no whole manifest never came to COMMIT and is removed. */
  async leftovers(): Promise<GuardEntry[]> {
    const entries: GuardEntry[] = [];
    for (const name of await readdir(this.#root)) {
      const folder = join(this.#root, name);
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

  /** Folders of the files and those above them up to the data path: each may have been made by this flush. */
  #foldersOf(files: GuardEntry["files"]): string[] {
    const folders = new Set<string>();
    for (const { path } of files) {
      for (let folder = dirname(path); ; folder = dirname(folder)) {
        folders.add(join(this.#dataPath, folder));
        if (folder === "." || folder === "/" || folder.startsWith("..")) break;
      }
    }
    return [...folders];
  }
}

async function filesUnder(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if (isCode(error, "ENOENT")) return [];
    throw error;
  }
}

async function linkFresh(from: string, to: string): Promise<void> {
  try {
    await linkOrCopy(from, to);
  } catch (error) {
    if (!isCode(error, "ENOENT")) throw error;
    // Another transaction's, rolled back this moment; or ours, removed as an orphan, and then COMMIT must not follow.
    throw new EiderError("write_conflict", `file ${from} vanished before COMMIT; the flush is made again`, {
      cause: error,
    });
  }
}

/** A filesystem without hard links, or across filesystems: the bytes themselves, shared where it can. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isCode(error, "EEXIST")) return;
    if (!["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].some((code) => isCode(error, code)))
      throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    await syncPath(to);
  }
}

async function canLink(fromFolder: string, toFolder: string): Promise<boolean> {
  if ((await stat(fromFolder)).dev !== (await stat(toFolder)).dev) return false;
  // Two mounts of one filesystem have the same device number and still refuse links between them.
  const name = `.eider-probe-${randomUUID()}`;
  await writeFile(join(fromFolder, name), "");
  try {
    await link(join(fromFolder, name), join(toFolder, name));
    return true;
  } catch (error) {
    return !isCode(error, "EXDEV");
  } finally {
    await rm(join(fromFolder, name), { force: true });
    await rm(join(toFolder, name), { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
