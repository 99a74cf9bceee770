import { open } from "node:fs/promises";

/**
 * fsync of a file, or of a folder: a new file's name is durable only with the folder that it is in. Not for a DuckDB file
 * that is attached: closing it drops DuckDB's lock.
 */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
