import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncPath } from "./sync-path.ts";

/**
 * Writes a small file so that after a crash it is there whole or not at all; durable when this resolves. Its folder exists.
 * A failure names the file, which Node does not of one that is open, and leaves nothing beside it.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new Error(`cannot write ${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  await syncPath(dirname(path));
}
