import { vi } from "vitest";
import type { Target } from "../../../src/base/target.ts";
import type { SealReason } from "../../../src/buffer/types.ts";
import { Flusher, type FlusherOptions } from "../../../src/flush/flusher.ts";
import type { FlushLake } from "../../../src/flush/types.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import type { CommitResult, FlushPart } from "../../../src/lake/types.ts";
import { LakeFixture, silent, target } from "../lake/lake-fixture.ts";
import { COLUMNS, FakeClock, FileBuffers, RecordingObserver } from "./flush-fixture.ts";

/** A flusher between buffers and a lake of its own. */
export class FlusherFixture implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly observer = new RecordingObserver();
  readonly lakeFixture: LakeFixture;
  readonly lake: Lake;
  readonly buffers: FileBuffers;
  readonly flusher: Flusher;
  /** Of each commit its tables, by name, and how many segments of each: `tx2`. */
  readonly commits: string[][] = [];
  /** Runs before each commit; to hold it up. */
  beforeCommit: (parts: readonly FlushPart[]) => Promise<void> | void = () => {};
  /** What the flusher is told of each commit. */
  report: (result: CommitResult) => CommitResult = (result) => result;

  private constructor(lakeFixture: LakeFixture, lake: Lake, options: Partial<FlusherOptions>) {
    this.lakeFixture = lakeFixture;
    this.lake = lake;
    this.buffers = new FileBuffers(lakeFixture, this.clock);
    this.flusher = this.newFlusher(options);
  }

  static async make(options: Partial<FlusherOptions> = {}): Promise<FlusherFixture> {
    const lakeFixture = await LakeFixture.make();
    return new FlusherFixture(lakeFixture, await lakeFixture.open(), options);
  }

  /** Another one on the same lake, as after a restart; the caller disposes of it. */
  newFlusher(options: Partial<FlusherOptions> = {}): Flusher {
    const { clock, observer, buffers } = this;
    const lake: FlushLake = {
      watermarks: () => this.lake.watermarks(),
      commitFlush: async (parts) => {
        this.commits.push(parts.map((part) => `${part.target.table}x${part.segments.length}`).sort());
        await this.beforeCommit(parts);
        return this.report(await this.lake.commitFlush(parts));
      },
    };
    return new Flusher({ buffers, lake, observer, clock, log: silent, maxParallelFlushes: 2, ...options });
  }

  /** A table of the lake with its buffer. */
  async table(name: string, primaryKey: readonly string[] = []): Promise<Target> {
    const shape = { target: target(name), columns: COLUMNS, primaryKey };
    await this.lake.createTable(shape);
    await this.buffers.ensureBuffer(shape, 0);
    return shape.target;
  }

  /** Seals a segment of one row. */
  async seal(of: Target, id: number, reason: SealReason): Promise<void> {
    this.buffers.append(of, [id, "x"]);
    await this.buffers.seal(of, reason);
    this.flusher.enqueue(of);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flusher[Symbol.asyncDispose]();
    await this.lake[Symbol.asyncDispose]();
    await this.lakeFixture[Symbol.asyncDispose]();
  }
}

export const settled = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 5 });
