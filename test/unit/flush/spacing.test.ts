import { afterEach, beforeEach, expect, it } from "vitest";
import type { Target } from "../../../src/base/target.ts";
import type { SealReason } from "../../../src/buffer/types.ts";
import { FlusherFixture, settled } from "./flusher-fixture.ts";

const SPACING_MS = 1_000;

let fixture: FlusherFixture;
let t: Target;
let isDiskFull: boolean;

beforeEach(async () => {
  isDiskFull = false;
  fixture = await FlusherFixture.make({ spacingMs: SPACING_MS, isDiskFull: () => isDiskFull });
  t = await fixture.table("t");
});

afterEach(() => fixture[Symbol.asyncDispose]());

const seal = (id: number, reason: SealReason) => fixture.seal(t, id, reason);
const flushed = () => settled(() => expect(fixture.buffers.sealed(t)).toEqual([]));

/** A first flush, from which the next has its distance. */
async function flushFirst(): Promise<void> {
  await seal(0, "age");
  await flushed();
}

it("the first segments gather for as long, too", async () => {
  await seal(0, "rows");
  fixture.clock.advance(SPACING_MS - 1);
  await seal(1, "rows");
  expect(fixture.buffers.compacting).toBe(0);
  expect(fixture.commits).toEqual([]);
  fixture.clock.advance(1);
  fixture.flusher.enqueue(t);
  await flushed();
  expect(fixture.commits).toEqual([["tx2"]]);
});

it("segments that fill up one after the other gather, and become one file", async () => {
  await flushFirst();
  for (let id = 1; id <= 4; id++) await seal(id, id % 2 === 0 ? "rows" : "bytes");
  fixture.clock.advance(SPACING_MS - 1);
  fixture.flusher.enqueue(t);
  expect(fixture.buffers.compacting).toBe(0);
  expect(fixture.commits).toEqual([["tx1"]]);
  fixture.clock.advance(1);
  fixture.flusher.enqueue(t);
  await flushed();
  expect(fixture.commits).toEqual([["tx1"], ["tx4"]]);
});

it.each(["age", "memory", "ingest", "schema"] as const)("what was sealed for its %s goes at once", async (reason) => {
  await flushFirst();
  await seal(1, "rows");
  await seal(2, reason);
  await flushed();
  expect(fixture.commits).toEqual([["tx1"], ["tx2"]]);
});

it("somebody who waits for the rows does not wait longer", async () => {
  await flushFirst();
  await seal(1, "rows");
  fixture.buffers.append(t, [2, "x"]);
  await fixture.flusher.flush(t, "command");
  expect(fixture.commits).toEqual([["tx1"], ["tx2"]]);
});

it("nothing gathers while appends wait for the room that it takes", async () => {
  await flushFirst();
  await seal(1, "rows");
  expect(fixture.commits).toEqual([["tx1"]]);
  isDiskFull = true;
  fixture.flusher.enqueue(t);
  await flushed();
  expect(fixture.commits).toEqual([["tx1"], ["tx1"]]);
});

it("a clock that was set back holds nothing up", async () => {
  await flushFirst();
  await seal(1, "rows");
  fixture.clock.advance(-5_000);
  fixture.flusher.enqueue(t);
  await flushed();
  expect(fixture.commits).toEqual([["tx1"], ["tx1"]]);
});
