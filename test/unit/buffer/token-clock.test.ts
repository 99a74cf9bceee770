import { expect, test } from "vitest";
import { tokenCutoffMs, tokenNowMs } from "../../../src/buffer/token-clock.ts";

const [EARLY_MS, LATE_MS] = [1_000_000, 9_000_000];

test.each([
  ["a clock that was behind before the restart", [LATE_MS, EARLY_MS], [LATE_MS, LATE_MS]],
  ["a clock that is ahead within this life", [EARLY_MS, EARLY_MS], [LATE_MS, EARLY_MS]],
  ["a clock that was set back", [LATE_MS, LATE_MS], [EARLY_MS, LATE_MS]],
])("%s ends no token early", (_, stored, asked) => {
  const clocks = (times: readonly number[]) => times.map((ms) => () => ms);
  expect(tokenNowMs(clocks(stored))).toBeGreaterThanOrEqual(tokenCutoffMs(60, clocks(asked)));
});

test("by clocks that agree a token expires after its retention", () => {
  const at = (ms: number) => [() => ms, () => ms];
  expect(tokenNowMs(at(EARLY_MS))).toBe(EARLY_MS);
  expect(tokenCutoffMs(60, at(EARLY_MS + 60_000))).toBe(EARLY_MS);
});
