import { afterAll, expect, test } from "vitest";
import { FAILPOINTS } from "../../src/base/failpoints.ts";
import { CrashRun, crashAgent } from "./crash-run.ts";

/** Hits to let pass before each kill: the first ones have nothing before them, later ones meet a lake with rows. */
const SKIPS = [0, 3];

const agent = crashAgent();
afterAll(() => agent[Symbol.asyncDispose]());

test.each(FAILPOINTS)("killed at %s, twice: what was acknowledged is in the lake, once", async (failpoint) => {
  await using run = await CrashRun.begin(agent);
  for (const skip of SKIPS) await run.liveUntilFailpoint({ [failpoint]: { action: "kill", skip } });
  const verdict = await run.judge();
  expect(verdict.problems, run.logs).toEqual([]);
});
