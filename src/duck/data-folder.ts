import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeDurably } from "../base/write-durably.ts";
import { EiderError, messageOf } from "../errors.ts";
import { type Connection, Database } from "./database.ts";
import { makeFolder } from "./make-folder.ts";

const LOCK_FILE = "lock.duckdb";
const WRITER_FILE = "writer-id";

/**
 * The data folder, held by one process at a time: a DuckDB file of its own is attached for as long as the server runs,
 * because DuckDB takes a lock on it that the operating system gives back when the process dies, however it dies.
 */
export class DataFolder implements AsyncDisposable {
  readonly path: string;
  /** Names this folder's writer in the lake: its watermark belongs to it. */
  readonly writerId: string;
  readonly #lock: Database;

  private constructor(path: string, writerId: string, lock: Database) {
    this.path = path;
    this.writerId = writerId;
    this.#lock = lock;
  }

  /** Makes the folder when it is missing; rejects with `config_invalid` when another server has it. */
  static async open(path: string): Promise<DataFolder> {
    await makeFolder(path, "data_dir");
    const lock = await Database.open({ threads: "1" });
    try {
      await takeLock(lock, await lock.connect(), path);
      return new DataFolder(path, await readOrMakeWriterId(path), lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The folder for what spills to disk. Empty: what a process that was killed has left is of no use. */
  async emptyTemp(): Promise<string> {
    const path = join(this.path, "temp");
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock[Symbol.asyncDispose]();
  }
}

async function takeLock(database: Database, connection: Connection, path: string): Promise<void> {
  try {
    await database.attachFile(connection, join(path, LOCK_FILE), "lock");
  } catch (error) {
    const text = messageOf(error);
    if (!/set lock|already attached/.test(text)) throw error;
    const owner = /PID (\d+)/.exec(text)?.[1];
    throw new EiderError(
      "config_invalid",
      `data folder ${path} is in use by another server${owner ? ` (process ${owner})` : ""}; stop it or choose another --data-dir`,
      { cause: error },
    );
  }
}

async function readOrMakeWriterId(folder: string): Promise<string> {
  const path = join(folder, WRITER_FILE);
  try {
    const id = (await readFile(path, "utf8")).trim();
    if (id !== "") return id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const id = randomUUID();
  await writeDurably(path, `${id}\n`);
  return id;
}
