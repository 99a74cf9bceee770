import { existsSync } from "node:fs";
import type { Connection, Database } from "../duck/database.ts";
import { quoteLiteral } from "../duck/sql.ts";
import { openConnected } from "./instance.ts";

/** Instances that one worker keeps for the segments to come. Each holds a few MB. */
const IDLE_LIMIT = 4;

/** An instance of one thread, and its only connection, which has no transaction open. */
export interface SegmentInstance {
  readonly database: Database;
  readonly connection: Connection;
  /** Exists once the instance has spilled. */
  readonly tempFolder: string;
}

/**
 * The instances of one worker's segments. Opening one takes two thirds of what making a segment takes, as DuckDB fills its
 * catalog of functions anew: one whose segment was sealed without an error serves the next one.
 */
export class IdleInstances implements AsyncDisposable {
  readonly #idle: SegmentInstance[] = [];
  #isClosed = false;

  async take(memoryMb: number, tempFolder: string): Promise<SegmentInstance> {
    const idle = this.#idle.pop();
    if (!idle) return openSegmentInstance(memoryMb, tempFolder);
    const { database, connection } = idle;
    try {
      await connection.run(`SET memory_limit = '${memoryMb}MiB'; SET temp_directory = ${quoteLiteral(tempFolder)}`);
      return { database, connection, tempFolder };
    } catch {
      await database[Symbol.asyncDispose]();
      return openSegmentInstance(memoryMb, tempFolder);
    }
  }

  /** The instance has nothing attached. One that has spilled is closed, as DuckDB lets it spill to no other folder. */
  async giveBack(instance: SegmentInstance): Promise<void> {
    if (this.#isClosed || this.#idle.length >= IDLE_LIMIT || existsSync(instance.tempFolder)) {
      await instance.database[Symbol.asyncDispose]();
    } else {
      this.#idle.push(instance);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const { database } of this.#idle.splice(0)) await database[Symbol.asyncDispose]();
  }
}

/** One that has to be given up is closed at a time that nobody chooses, when its file may be another's. */
const CLOSES_AS_IT_IS = "PRAGMA disable_checkpoint_on_shutdown";

export async function openSegmentInstance(memoryMb: number, tempFolder: string): Promise<SegmentInstance> {
  return { ...(await openConnected({ memoryMb, threads: 1, tempFolder }, CLOSES_AS_IT_IS)), tempFolder };
}
