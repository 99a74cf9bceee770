import { execFileSync } from "node:child_process";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FailpointSpec } from "../../../src/base/failpoints.ts";
import { BufferStore } from "../../../src/buffer/store.ts";
import { systemClock } from "../../../src/flush/clock.ts";
import { Flusher } from "../../../src/flush/flusher.ts";
import type { IngestServices } from "../../../src/ingest/services.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { OpenTransactions } from "../../../src/query/open-transactions.ts";
import { SqlSession } from "../../../src/query/sql-session.ts";
import { RecordingObserver } from "../flush/flush-fixture.ts";
import { LakeFixture, silent } from "../lake/lake-fixture.ts";

interface Parts {
  readonly lake: Lake;
  readonly buffers: BufferStore;
  readonly flusher: Flusher;
  readonly sql: SqlSession;
}

/** In an order in which each is at least as old as what it relies on: what a kill leaves, whatever it comes between. */
const STATE = ["buffer", "guard", "catalog.ducklake", "catalog.ducklake.wal", "lake"];

/** Lake, buffers and flusher as the server composes them, in this process and on real files; over several lives. */
export class System implements AsyncDisposable {
  readonly #fixture: LakeFixture;
  #parts: Parts;

  private constructor(fixture: LakeFixture, parts: Parts) {
    this.#fixture = fixture;
    this.#parts = parts;
  }

  static async open(): Promise<System> {
    const fixture = await LakeFixture.make();
    return new System(fixture, await openParts(fixture, {}));
  }

  get services(): IngestServices {
    return { ...this.#parts, observer: { wrote() {} }, autoCreateTables: false };
  }

  get lake(): Lake {
    return this.#parts.lake;
  }

  get buffers(): BufferStore {
    return this.#parts.buffers;
  }

  get flusher(): Flusher {
    return this.#parts.flusher;
  }

  get sql(): SqlSession {
    return this.#parts.sql;
  }

  /** Ends and begins again; nothing is flushed before. `failpoints` hold for the new life. */
  async reopen(failpoints: FailpointSpec): Promise<void> {
    await closeParts(this.#parts);
    this.#parts = await openParts(this.#fixture, failpoints);
  }

  /**
   * As after SIGKILL between two steps of a flush: the files are kept as they are while everything is open, so that no
   * checkpoint and no seal of an orderly end is in them.
   */
  async kill(failpoints: FailpointSpec): Promise<void> {
    const { folder } = this.#fixture;
    const kept = `${folder}-kept`;
    await this.#parts.flusher[Symbol.asyncDispose]();
    // Another process must copy: to open a live database file here would drop DuckDB's lock on it.
    execFileSync(
      "sh",
      ["-c", 'mkdir "$0" && for each; do [ ! -e "$each" ] || cp -a "$each" "$0"; done', kept, ...STATE],
      {
        cwd: folder,
      },
    );
    await closeParts(this.#parts);
    for (const name of STATE) {
      await rm(join(folder, name), { recursive: true, force: true });
      await rename(join(kept, name), join(folder, name)).catch(ignoreMissing);
    }
    await rm(kept, { recursive: true });
    this.#parts = await openParts(this.#fixture, failpoints);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeParts(this.#parts);
    await this.#fixture[Symbol.asyncDispose]();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** Small limits, so that a few rows come to every state of a segment. */
async function openParts(fixture: LakeFixture, failpoints: FailpointSpec): Promise<Parts> {
  const lake = await fixture.open({ spec: failpoints });
  const buffers: BufferStore = await BufferStore.open({
    bufferDir: join(fixture.folder, "buffer"),
    workers: 2,
    bufferMemoryMb: 16,
    flushMemoryMb: 128,
    maxParallelFlushes: 2,
    bufferMaxRows: 40,
    bufferMaxBytes: 1_000_000,
    diskLimitBytes: 1_000_000_000,
    fullWaitSeconds: 30,
    stageMemoryBytes: 512,
    lakeTakesFiles: await lake.takesFilesOf(join(fixture.folder, "buffer")),
    tokenRetentionSeconds: 3600,
    failpoints,
    onSealed: (segment) => flusher.enqueue(segment.target),
    log: silent,
  });
  const observer = new RecordingObserver();
  const flusher = new Flusher({ buffers, lake, observer, clock: systemClock, log: silent, maxParallelFlushes: 2 });
  await flusher.recover(buffers.recovered);
  const sql = new SqlSession(
    () => lake.connect(),
    (...transaction) => lake.commit("direct", () => lake.clients.commit(...transaction)),
    new OpenTransactions(3600),
  );
  return { lake, buffers, flusher, sql };
}

async function closeParts({ lake, buffers, flusher, sql }: Parts): Promise<void> {
  await sql[Symbol.asyncDispose]();
  await flusher[Symbol.asyncDispose]();
  await buffers[Symbol.asyncDispose]();
  await lake[Symbol.asyncDispose]();
}
