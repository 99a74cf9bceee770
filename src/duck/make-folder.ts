import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EiderError, messageOf } from "../errors.ts";

/**
 * Makes a folder and those above it; resolves to the first that was missing, undefined when none was. Throws
 * `config_invalid`, naming what it is (`what`, a setting). Not by Node's `recursive`, which takes a file system that is
 * read-only for a folder that is missing, and never ends where nothing can be made (`/proc`).
 */
export async function makeFolder(path: string, what: string): Promise<string | undefined> {
  try {
    return await makeMissing(path);
  } catch (error) {
    throw new EiderError("config_invalid", `${what} ${path} cannot be made: ${messageOf(error)}`, { cause: error });
  }
}

async function makeMissing(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await isFolder(path))) return undefined;
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
  }
  const firstMade = await makeMissing(dirname(path));
  try {
    await mkdir(path);
    return firstMade ?? path;
  } catch (error) {
    // Another process may have made it meanwhile.
    if (codeOf(error) === "EEXIST" && (await isFolder(path))) return firstMade;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}
