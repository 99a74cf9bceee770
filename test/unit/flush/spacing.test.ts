import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { SealReason } from "../../../src/buffer/types.ts";
import { Flusher } from "../../../src/flush/flusher.ts";
import type { Lake } from "../../../src/lake/lake.ts";
import { LakeFixture, silent, target } from "../lake/lake-fixture.ts";
import { COLUMNS, FakeClock, FileBuffers, RecordingObserver } from "./flush-fixture.ts";

const SPACING_MS = 1_000;
const T = target("t");

let fixture: LakeFixture;
let lake: Lake;
let clock: FakeClock;
let buffers: FileBuffers;
let flusher: Flusher;
let commits: number[];
let isDiskFull: boolean;

beforeEach(async () => {
  fixture = await LakeFixture.make();
  lake = await fixture.open();
  clock = new FakeClock();
  buffers = new FileBuffers(fixture, clock);
  commits = [];
  isDiskFull = false;
  const counted = {
    watermarks: () => lake.watermarks(),
    commitFlush: (parts: Parameters<Lake["commitFlush"]>[0]) => {
      commits.push(parts.reduce((sum, part) => sum + part.segments.length, 0));
      return lake.commitFlush(parts);
    },
  };
  flusher = new Flusher({
    buffers,
    lake: counted,
    observer: new RecordingObserver(),
    clock,
    log: silent,
    maxParallelFlushes: 2,
    spacingMs: SPACING_MS,
    isDiskFull: () => isDiskFull,
  });
  const shape = { target: T, columns: COLUMNS, primaryKey: [] };
  await lake.createTable(shape);
  await buffers.ensureBuffer(shape, 0);
});

afterEach(async () => {
  await flusher[Symbol.asyncDispose]();
  await lake[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

async function seal(id: number, reason: SealReason): Promise<void> {
  buffers.append(T, [id, "x"]);
  await buffers.seal(T, reason);
  flusher.enqueue(T);
}

const flushed = () => vi.waitFor(() => expect(buffers.sealed(T)).toEqual([]), { timeout: 30_000, interval: 5 });

it("segments that fill up one after the other gather, and become one file", async () => {
  await seal(0, "rows");
  await flushed();
  for (let id = 1; id <= 4; id++) await seal(id, id % 2 === 0 ? "rows" : "bytes");
  clock.advance(SPACING_MS - 1);
  flusher.enqueue(T);
  expect(buffers.compacting).toBe(0);
  expect(commits).toEqual([1]);
  clock.advance(1);
  flusher.enqueue(T);
  await flushed();
  expect(commits).toEqual([1, 4]);
});

it.each(["age", "memory", "ingest", "schema"] as const)("what was sealed for its %s goes at once", async (reason) => {
  await seal(0, "rows");
  await flushed();
  await seal(1, "rows");
  await seal(2, reason);
  await flushed();
  expect(commits).toEqual([1, 2]);
});

it("somebody who waits for the rows does not wait longer", async () => {
  await seal(0, "rows");
  await flushed();
  await seal(1, "rows");
  buffers.append(T, [2, "x"]);
  await flusher.flush(T, "command");
  expect(commits).toEqual([1, 2]);
});

it("nothing gathers while appends wait for the room that it takes", async () => {
  await seal(0, "rows");
  await flushed();
  await seal(1, "rows");
  expect(commits).toEqual([1]);
  isDiskFull = true;
  flusher.enqueue(T);
  await flushed();
  expect(commits).toEqual([1, 1]);
});

it("a clock that was set back holds nothing up", async () => {
  await seal(0, "rows");
  await flushed();
  clock.advance(-5_000);
  await seal(1, "rows");
  await flushed();
  expect(commits).toEqual([1, 1]);
});
