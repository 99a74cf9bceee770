import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { writeDurably } from "../base/write-durably.ts";
import type { Connection } from "../duck/database.ts";
import { EiderError } from "../errors.ts";
import type { Retries } from "./retries.ts";
import type { Watermarks } from "./watermark.ts";

/** Random numbers below this are safe integers in JavaScript. */
const LEASE_LIMIT = 2 ** 47;
/** Past leases that are remembered: a catalog that was restored from a backup has one of them. */
const HISTORY = 1000;

/**
 * Makes this process the one that flushes for its writer: a new number in the writer's watermark table, which every flush
 * updates and so conflicts with whoever takes over. The number is kept in `file`, beside the segments, so that it moves
 * with them: a folder that has never had the lake's present number is an older copy of one that was served since, and its
 * rows would be taken for committed by the other's watermarks. Then it throws `config_invalid`.
 */
export async function takeLease(
  connection: Connection,
  watermarks: Watermarks,
  file: string,
  retries: Retries,
): Promise<void> {
  const known = await readNumbers(file);
  const next = randomInt(1, LEASE_LIMIT);
  // Before the lake has it: it may take effect there although the answer is lost.
  const numbers = [...(known ?? []), next].slice(-HISTORY);
  await writeDurably(file, numbers.map((n) => `${n}\n`).join(""));
  await retries.run("ensure", () =>
    watermarks.takeLease(connection, next, (present) => {
      if (known === undefined || known.includes(present)) return;
      throw new EiderError(
        "config_invalid",
        `${dirname(file)} is an older copy: another folder with the same writer-id has been served since, and its flushes ` +
          "would be taken for this one's. Serve that folder; or remove writer-id from this one: then what waits in it is " +
          "flushed, even rows that the other has flushed already",
      );
    }),
  );
}

/** Undefined when there is no file. */
async function readNumbers(file: string): Promise<number[] | undefined> {
  try {
    return (await readFile(file, "utf8")).split(/\s+/).filter(Boolean).map(Number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
