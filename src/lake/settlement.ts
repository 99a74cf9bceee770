import { basename, dirname } from "node:path";
import type { Failpoints } from "../base/failpoints.ts";
import { syncPath } from "../base/sync-path.ts";
import { targetKey } from "../base/target.ts";
import type { Connection } from "../duck/database.ts";
import type { GuardEntry, Guards } from "./guard.ts";
import { METADATA, type Metadata } from "./metadata.ts";
import type { Log } from "./types.ts";

/** Longer than any catalog keeps a transaction whose client is gone, so that no COMMIT can come after it. */
const LATE_COMMIT_LIMIT_MS = 24 * 3_600_000;

export interface SettlementOptions {
  readonly metadata: Metadata;
  readonly guards: Guards;
  /** A COMMIT whose answer was lost may take effect later, when the catalog's database is another process. */
  readonly commitsMayComeLate: boolean;
  /** The catalog's file; its folder entry is made durable with the data. */
  readonly catalogPath: string | undefined;
  readonly failpoints: Failpoints;
  readonly log: Log;
}

/**
 * What happens to a guarded flush after its COMMIT: hardened and its guard dropped; or, when it is not known whether it
 * was committed or its files could not be hardened, kept as pending until the watermark has passed it.
 */
export class Settlement {
  readonly #options: SettlementOptions;
  readonly #pending: GuardEntry[] = [];

  constructor(options: SettlementOptions) {
    this.#options = options;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  keep(entry: GuardEntry | undefined): void {
    if (entry && !this.#pending.includes(entry)) this.#pending.push(entry);
  }

  /** Takes over the guards that an earlier process left. */
  async recover(connection: Connection, marks: ReadonlyMap<string, number>): Promise<void> {
    const { guards, log } = this.#options;
    this.#pending.push(...(await guards.leftovers()));
    await this.settle(connection, marks);
    const flushes = this.#pending.filter((entry) => entry.marks.length > 0).length;
    if (flushes > 0) log.info({ flushes }, "flushes of an earlier run are not committed and will be made again");
    const others = this.#pending.length - flushes;
    if (others > 0)
      log.info(
        { transactions: others },
        "copies of the files of an earlier run's transactions are kept: their COMMIT may still take effect",
      );
    // Their transactions ended with their process, except in a catalog of its own, where COMMIT may still be on its way.
    for (const entry of [...this.#pending]) {
      const isOld = Date.now() - entry.createdMs > LATE_COMMIT_LIMIT_MS;
      if (!this.#options.commitsMayComeLate || isOld) await this.discard(entry);
    }
  }

  /** Hardens the pending flushes that the watermark has passed. Resolves to whether any are left. */
  async settle(connection: Connection, marks: ReadonlyMap<string, number>): Promise<boolean> {
    for (const entry of [...this.#pending]) {
      const isCommitted = entry.marks.every(({ target, lastSeq }) => (marks.get(targetKey(target)) ?? 0) >= lastSeq);
      if (entry.marks.length === 0) await this.#settleCompaction(connection, entry);
      else if (isCommitted) await this.harden(connection, entry);
    }
    return this.hasPending;
  }

  /** After a compaction's COMMIT whose answer was lost: what the catalog refers to, now or later, is put back. */
  async keepCompaction(connection: Connection, entry: GuardEntry | undefined): Promise<void> {
    if (!entry) return;
    this.keep(entry);
    await this.#settleCompaction(connection, entry);
  }

  /** No watermark tells of a compaction, so its guard stays as long as its COMMIT may still come. */
  async #settleCompaction(connection: Connection, entry: GuardEntry): Promise<void> {
    const isOld = Date.now() - entry.createdMs > LATE_COMMIT_LIMIT_MS;
    if (!this.#options.commitsMayComeLate || isOld) await this.harden(connection, entry);
    else await this.#restoreMissing(connection, entry);
  }

  /** The watermark shows that the flush is not committed: keeps its guard only while that may still change. */
  async notCommitted(entry: GuardEntry | undefined): Promise<void> {
    if (entry && !this.#options.commitsMayComeLate) await this.discard(entry);
  }

  /** For a flush that is certain not to be committed. */
  async discard(entry: GuardEntry | undefined): Promise<void> {
    if (!entry) return;
    this.#forget(entry);
    await this.#options.guards.drop(entry);
  }

  /**
   * After COMMIT: every file that the catalog refers to exists and is durable, then the guard is dropped. Only then may
   * the segments be removed. A file that the catalog does not know is another transaction's or superseded.
   * `isAnswered`: COMMIT said that it took effect.
   */
  async harden(connection: Connection, entry: GuardEntry | undefined, isAnswered = false): Promise<void> {
    const { guards, failpoints, catalogPath } = this.#options;
    failpoints.hit("harden.before");
    if (entry) {
      if (!isAnswered || !guards.trustsAnswers) await this.#restoreMissing(connection, entry);
      await guards.syncFolders(entry);
    }
    if (catalogPath !== undefined) await syncPath(dirname(catalogPath));
    failpoints.hit("harden.after");
    await this.discard(entry);
  }

  async #restoreMissing(connection: Connection, entry: GuardEntry): Promise<void> {
    const { guards } = this.#options;
    const missing = await guards.missing(entry);
    if (missing.length > 0) await guards.restore(entry, await this.#referenced(connection, missing));
  }

  /** Names are UUIDs, so that the last part of the path tells the file. */
  async #referenced(connection: Connection, paths: readonly string[]): Promise<readonly string[]> {
    const list = paths.map((_, i) => `$${i + 1}`).join(", ");
    const rows = await this.#options.metadata.rows(
      connection,
      `SELECT parse_filename(path) AS name FROM ${METADATA}.ducklake_data_file WHERE parse_filename(path) IN (${list})
        UNION ALL
       SELECT parse_filename(path) AS name FROM ${METADATA}.ducklake_delete_file WHERE parse_filename(path) IN (${list})`,
      paths.map((path) => basename(path)),
    );
    const names = new Set(rows.map((row) => row["name"]));
    return paths.filter((path) => names.has(basename(path)));
  }

  #forget(entry: GuardEntry): void {
    const at = this.#pending.indexOf(entry);
    if (at >= 0) this.#pending.splice(at, 1);
  }
}
