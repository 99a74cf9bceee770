import { expect, test } from "vitest";
import { startWriteTimes } from "../../../src/base/write-times.ts";

const START_MS = 1_000_000;

test.each([
  ["is set by nobody", 5_000, 5_000, START_MS],
  ["is set back", -600_000, 5_000, START_MS - 605_000],
  ["is set ahead, or the machine slept", 600_000, 5_000, START_MS],
])("files written since are no older, when the clock %s", (_, wallMs, steadyMs, earliestMs) => {
  let [wall, steady] = [START_MS, START_MS];
  const sinceMs = startWriteTimes(
    () => wall,
    () => steady,
  );
  wall += wallMs;
  steady += steadyMs;
  expect(sinceMs()).toBe(earliestMs);
});
