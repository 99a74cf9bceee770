import { afterAll, expect, test } from "vitest";
import { FAILPOINTS } from "../../src/base/failpoints.ts";
import { CrashRun, crashAgent } from "./crash-run.ts";

/** Hits to let pass before each kill: the first ones have nothing before them, later ones meet a lake with rows. */
const SKIPS = [0, 3];
/** Enough to come to every failpoint; random kills meet all routes. */
const ROUTES = ["put_tokens", "put_keyed", "put_keyed_tokens", "ingest_small", "ingest_large", "inserted"];

const agent = crashAgent();
afterAll(() => agent[Symbol.asyncDispose]());

test.each(FAILPOINTS)("killed at %s, twice: what was acknowledged is in the lake, once", async (failpoint) => {
  await using run = await CrashRun.begin(agent, ROUTES);
  for (const skip of SKIPS) await run.liveUntilFailpoint({ [failpoint]: { action: "kill", skip } });
  await run.liveAndStop();
  const verdict = await run.judge();
  expect(verdict.problems, run.logs).toEqual([]);
});
