import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, copyFile, link, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { syncPath } from "../base/sync-path.ts";
import type { LakeFiles } from "./lake-files.ts";

/** File systems keep coarser times than the clock has, and other machines may serve them. */
const FILE_TIME_SLACK_MS = 60_000;

/** The guard's folder within the data path, for when `guard_dir` is on another filesystem. */
const INSIDE_DATA_PATH = ".eider-guard";

/** A data path on this machine: second copies are hard links. */
export class LocalFiles implements LakeFiles {
  readonly guardRoot: string;
  readonly trustsAnswers = false;
  readonly #dataPath: string;

  private constructor(dataPath: string, guardRoot: string) {
    this.#dataPath = dataPath;
    this.guardRoot = guardRoot;
  }

  /** Uses `guardDir` when hard links to it from the data path work, else a folder within the data path. */
  static async open(dataPath: string, guardDir: string): Promise<LocalFiles> {
    await mkdir(guardDir, { recursive: true });
    const root = (await isOneFilesystem(dataPath, guardDir)) ? guardDir : join(dataPath, INSIDE_DATA_PATH);
    await mkdir(root, { recursive: true });
    return new LocalFiles(dataPath, root);
  }

  list(folder: string): Promise<readonly string[]> {
    return filesUnder(folder);
  }

  async writtenSince(sinceMs: number): Promise<readonly string[]> {
    return await this.#writtenIn(this.#dataPath, sinceMs - FILE_TIME_SLACK_MS);
  }

  /** A new file changes its folder's time, so that the files of other folders need not be looked at. */
  async #writtenIn(folder: string, sinceMs: number): Promise<string[]> {
    if (folder === this.guardRoot) return [];
    const isChanged = (await stat(folder)).mtimeMs >= sinceMs;
    const found: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) found.push(...(await this.#writtenIn(path, sinceMs)));
      else if (isChanged && entry.isFile() && (await isWrittenSince(path, sinceMs))) found.push(path);
    }
    return found;
  }

  relative(path: string): string {
    return relative(this.#dataPath, path);
  }

  pathOf(path: string): string {
    return join(this.#dataPath, path);
  }

  exists(path: string): Promise<boolean> {
    return exists(path);
  }

  async save(path: string, to: string): Promise<void> {
    await linkOrCopy(path, to);
    await syncPath(path);
  }

  async restore(from: string, path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    await linkOrCopy(from, path);
    await syncPath(path);
  }

  async syncFolders(paths: readonly string[]): Promise<void> {
    const folders = this.#foldersOf(paths);
    await Promise.all(folders.map(async (folder) => ((await exists(folder)) ? syncPath(folder) : undefined)));
  }

  /** Folders of the files and those above them up to the data path: each may have been made by this flush. */
  #foldersOf(paths: readonly string[]): string[] {
    const folders = new Set<string>();
    for (const path of paths) {
      for (let folder = dirname(this.relative(path)); ; folder = dirname(folder)) {
        folders.add(join(this.#dataPath, folder));
        if (folder === "." || folder === "/" || folder.startsWith("..")) break;
      }
    }
    return [...folders];
  }
}

async function isWrittenSince(path: string, sinceMs: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs >= sinceMs;
  } catch (error) {
    // Another transaction's, rolled back this moment.
    if (isCode(error, "ENOENT")) return false;
    throw error;
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

/** Whether second names of one folder's files can be in the other. */
export async function canLink(fromFolder: string, toFolder: string): Promise<boolean> {
  return (await triedLink(fromFolder, toFolder)) === "linked";
}

/** The same, also where a filesystem has no hard links at all: copies are made there. */
async function isOneFilesystem(fromFolder: string, toFolder: string): Promise<boolean> {
  return (await triedLink(fromFolder, toFolder)) !== "apart";
}

async function triedLink(fromFolder: string, toFolder: string): Promise<"linked" | "refused" | "apart"> {
  if ((await stat(fromFolder)).dev !== (await stat(toFolder)).dev) return "apart";
  // Two mounts of one filesystem have the same device number and still refuse links between them.
  const name = `.eider-probe-${randomUUID()}`;
  await writeFile(join(fromFolder, name), "");
  try {
    await link(join(fromFolder, name), join(toFolder, name));
    return "linked";
  } catch (error) {
    return isCode(error, "EXDEV") ? "apart" : "refused";
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

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
