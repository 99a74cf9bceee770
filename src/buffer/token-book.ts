import { existsSync } from "node:fs";
import { syncPath } from "../base/sync-path.ts";
import type { Connection } from "../duck/database.ts";
import { diskBytesOf, removeDatabase, tempFolderOf, tokensPath } from "./buffer-folder.ts";
import { damageOf } from "./damage.ts";
import { withInstance } from "./instance.ts";
import { type TokenRow, tokenRow } from "./segment-file.ts";
import { tokenCutoffMs } from "./token-clock.ts";
import type { SealedSegment } from "./types.ts";

const STORE_MEMORY_MB = 32;

/** Runs `inside` while the segment's file is attached as `kept`. */
type AttachSegment = (path: string, inside: () => Promise<void>) => Promise<void>;

/**
 * The tokens that one target has seen, until they expire. In memory all of them; on disk each is in the segment that
 * holds its rows, and in `tokens.duckdb` before that segment is removed.
 */
export class TokenBook {
  readonly #folder: string;
  readonly #retentionSeconds: number;
  /** In order of time (but for clocks that were set), so that expired ones are at the front. */
  readonly #seen = new Map<string, TokenRow>();
  /** One instance at a time opens `tokens.duckdb`. */
  #storeTail: Promise<unknown> = Promise.resolve();

  constructor(folder: string, retentionSeconds: number) {
    this.#folder = folder;
    this.#retentionSeconds = retentionSeconds;
  }

  get cutoffMs(): number {
    return tokenCutoffMs(this.#retentionSeconds);
  }

  get diskBytes(): number {
    return diskBytesOf(tokensPath(this.#folder));
  }

  get highestSeq(): number {
    let seq = 0;
    for (const row of this.#seen.values()) seq = Math.max(seq, row.seq);
    return seq;
  }

  find(token: string, tableId: string | undefined): TokenRow | undefined {
    const row = this.#seen.get(token);
    return row && row.tableId === tableId && row.atMs >= this.cutoffMs ? row : undefined;
  }

  add(row: TokenRow): void {
    // Deleted first: a Map keeps an overwritten key at its old place.
    this.#seen.delete(row.token);
    this.#seen.set(row.token, row);
  }

  /** Those of a segment whose rows are lost: sent again, they are to be stored. */
  forget({ firstSeq, lastSeq }: Pick<SealedSegment, "firstSeq" | "lastSeq">): void {
    for (const { token, seq } of this.#seen.values()) {
      if (seq >= firstSeq && seq <= lastSeq) this.#seen.delete(token);
    }
  }

  dropExpired(): void {
    const cutoffMs = this.cutoffMs;
    for (const row of this.#seen.values()) {
      if (row.atMs >= cutoffMs) return;
      this.#seen.delete(row.token);
    }
  }

  /** Reads `tokens.duckdb`; segments' tokens are added to them by the caller. */
  async load(): Promise<void> {
    const path = tokensPath(this.#folder);
    if (!existsSync(path)) return;
    const rows = await this.#onStore(async (connection) =>
      connection.rows("SELECT token, table_id, rows, seq, at_ms FROM store.tokens WHERE at_ms >= $1 ORDER BY at_ms", [
        BigInt(this.cutoffMs),
      ]),
    );
    const newer = [...this.#seen.values()];
    this.#seen.clear();
    for (const row of [...rows.map(tokenRow), ...newer]) this.add(row);
    if (rows.length === 0) await removeDatabase(path);
  }

  /** Copies the tokens of closed segment files into `tokens.duckdb`, durably, and drops the expired ones there. */
  async keep(segments: readonly SealedSegment[]): Promise<void> {
    if (segments.length === 0) return;
    await this.#onStore(async (connection, attach) => {
      const cutoff = BigInt(this.cutoffMs);
      for (const segment of segments) {
        const { path, tableId } = segment;
        const copied = attach(path, async () => {
          // Those that a crash left here before, and those of a dropped table of the same name.
          await connection.run("DELETE FROM store.tokens WHERE token IN (SELECT token FROM kept.tokens)");
          await connection.run(
            "INSERT INTO store.tokens SELECT token, $1, rows, seq, at_ms FROM kept.tokens WHERE at_ms >= $2",
            [tableId ?? null, cutoff],
          );
        });
        // Its rows are in the lake: that their tokens cannot be read any more must not hold up those behind them.
        await copied.catch((error) => {
          if (damageOf(error, false) === undefined) throw error;
          return this.#keepSeen(connection, segment);
        });
      }
      await connection.run("DELETE FROM store.tokens WHERE at_ms < $1", [cutoff]);
    });
    await syncPath(this.#folder);
  }

  /** The same for a segment whose tokens cannot be read, from memory. */
  async #keepSeen(connection: Connection, { firstSeq, lastSeq, tableId }: SealedSegment): Promise<void> {
    for (const { token, rows, seq, atMs } of this.#seen.values()) {
      if (seq < firstSeq || seq > lastSeq) continue;
      await connection.run("DELETE FROM store.tokens WHERE token = $1", [token]);
      const values = [token, tableId ?? null, BigInt(rows), BigInt(seq), BigInt(atMs)];
      await connection.run("INSERT INTO store.tokens VALUES ($1, $2, $3, $4, $5)", values);
    }
  }

  #onStore<T>(body: (connection: Connection, attach: AttachSegment) => Promise<T>): Promise<T> {
    const run = this.#storeTail.then(() => this.#openStore(body));
    this.#storeTail = run.catch(() => {});
    return run;
  }

  #openStore<T>(body: (connection: Connection, attach: AttachSegment) => Promise<T>): Promise<T> {
    const path = tokensPath(this.#folder);
    const settings = { memoryMb: STORE_MEMORY_MB, threads: 1, tempFolder: tempFolderOf(path) };
    return withInstance(settings, async (database, connection) => {
      await database.attachFile(connection, path, "store");
      await connection.run(
        "CREATE TABLE IF NOT EXISTS store.tokens (token VARCHAR, table_id VARCHAR, rows BIGINT, seq BIGINT, at_ms BIGINT)",
      );
      const result = await body(connection, async (segment, inside) => {
        await database.attachFile(connection, segment, "kept", "READ_ONLY");
        try {
          await inside();
        } finally {
          await database.detachFile(connection, segment, "kept");
        }
      });
      await connection.run("CHECKPOINT store");
      await database.detachFile(connection, path, "store");
      return result;
    });
  }
}
