import { expect, it } from "vitest";
import { MemoryShare } from "../../../src/buffer/memory-share.ts";

function shareOf(segments: number, greatestMb: number, workers: number) {
  let shrunk = 0;
  const share = new MemoryShare(greatestMb, workers, () => {
    shrunk++;
  });
  for (let i = 0; i < segments; i++) share.enter();
  return { share, shrunk };
}

it.each([
  [1, 16, 1, 16],
  [32, 16, 1, 16],
  [33, 16, 1, 15],
  [100, 16, 1, 5],
  [10_000, 16, 1, 1],
  [16, 16, 2, 16],
  [32, 16, 2, 8],
])("%i open segments that may have %i MB, %i workers: %i MB each", (segments, greatestMb, workers, mb) => {
  expect(shareOf(segments, greatestMb, workers).share.mb).toBe(mb);
});

it("tells those that are open when they have to give back, and lets them have more when some are closed", () => {
  expect(shareOf(32, 16, 1).shrunk).toBe(0);
  const { share, shrunk } = shareOf(64, 16, 1);
  expect(shrunk).toBe(8);
  expect(share.mb).toBe(8);
  for (let i = 0; i < 32; i++) share.leave();
  expect(share.mb).toBe(16);
});
