import { existsSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import PQueue from "p-queue";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Failpoints } from "../../../src/base/failpoints.ts";
import { IdleInstances } from "../../../src/buffer/idle-instances.ts";
import { SILENT } from "../../../src/buffer/log.ts";
import { MemoryShare } from "../../../src/buffer/memory-share.ts";
import { RowLayout } from "../../../src/buffer/row-layout.ts";
import { SealQueue } from "../../../src/buffer/seal-queue.ts";
import { Segment } from "../../../src/buffer/segment.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { column, shapeOf } from "./support.ts";

let folder: TempDir;
let instances: IdleInstances;
let largeSeals: PQueue;

beforeEach(() => {
  folder = tempDir("seals");
  instances = new IdleInstances();
  largeSeals = new PQueue({ concurrency: 1 });
});

afterEach(async () => {
  await instances[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** A segment as a start finds it on disk, of a size that has to wait for its turn; its file has no rows. */
async function largeSegment(): Promise<Segment> {
  const layout = new RowLayout(shapeOf("t", [column("v", "BIGINT")]));
  const share = new MemoryShare(16, 1, () => undefined);
  const settings = { share, largeMemoryMb: 64, instances, failpoints: new Failpoints() };
  const made = await Segment.create(folder.path, layout, settings);
  await made.begin(1);
  await made.close();
  return new Segment(made.path, layout, settings, { ...made.state, bytes: 10_000_000 });
}

const queueOf = () => new SealQueue(() => undefined, { largeSeals, log: SILENT });

/** Keeps the only turn until the returned function is called. */
function holdTurn(): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  void largeSeals.add(() => held);
  return () => release();
}

test("a segment that is discarded leaves the line of large seals at once, with its file", async () => {
  const release = holdTurn();
  const segment = await largeSegment();
  const queue = queueOf();
  queue.push({ segment, reason: "rows", recovered: true });
  while (largeSeals.size === 0) await nextTurn();
  await queue.discard();
  expect([largeSeals.size, queue.jobs.length, existsSync(segment.path)]).toEqual([0, 0, false]);

  // The turn after the one that runs is the next one's.
  const other = await largeSegment();
  const next = queueOf();
  next.push({ segment: other, reason: "rows", recovered: true });
  const sealed = next.drained();
  release();
  await sealed;
  expect(next.jobs).toEqual([]);
});

test("a queue that is closed does not wait for the turn of its segment, which stays on disk", async () => {
  const release = holdTurn();
  const segment = await largeSegment();
  const queue = queueOf();
  queue.push({ segment, reason: "rows", recovered: true });
  const drained = queue.drained();
  drained.catch(() => undefined);
  while (largeSeals.size === 0) await nextTurn();
  await queue.close();
  await expect(drained).rejects.toMatchObject({ code: "shutting_down" });
  expect([largeSeals.size, existsSync(segment.path)]).toEqual([0, true]);
  release();
});

test("a large seal that runs is waited for", async () => {
  const segment = await largeSegment();
  const queue = queueOf();
  queue.push({ segment, reason: "rows", recovered: true });
  while (largeSeals.pending === 0) await nextTurn();
  await queue.close();
  // Without rows it was removed, once it was sealed.
  expect([largeSeals.pending, queue.jobs.length, existsSync(segment.path)]).toEqual([0, 0, false]);
});
