import { expect, it } from "vitest";
import { Sweeper } from "../../../src/flush/sweeper.ts";
import { silent } from "../lake/lake-fixture.ts";
import { FlusherFixture, settled } from "./flusher-fixture.ts";

it("the sweeper seals what is due, and only that, at each interval", async () => {
  await using fixture = await FlusherFixture.make();
  const { buffers, flusher, clock, observer, commits } = fixture;
  const [old, young, big] = [await fixture.table("old"), await fixture.table("young"), await fixture.table("big")];
  const limits = { maxRows: 3, maxBytes: 1_000_000, maxAgeMs: 5_000 };
  const sweeper = new Sweeper({ buffers, flusher, limits, intervalMs: 1_000, clock, log: silent });
  sweeper.start();
  buffers.append(old, [1, "x"]);
  clock.advance(4_999);
  await settled(() => expect(clock.timers).toBe(1));
  expect(commits).toEqual([]);
  buffers.append(young, [2, "y"]);
  buffers.append(big, [1, "a"], [2, "b"], [3, "c"]);
  clock.advance(1_000);
  await settled(() => expect(observer.records).toHaveLength(2));
  const reasons = observer.records.map((record) => `${record.target.table}:${record.reason}`);
  expect(reasons.sort()).toEqual(["big:rows", "old:age"]);
  await settled(() => expect(clock.timers).toBe(1));
  await sweeper[Symbol.asyncDispose]();
  clock.advance(100_000);
  expect(clock.timers).toBe(0);
  expect(buffers.views().find((view) => view.target.table === "young")?.openRows).toBe(1);
});
