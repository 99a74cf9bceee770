import { join } from "node:path";
import { expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";

test("what is prepared while tables are defined reads no freed memory when it runs", async () => {
  // glibc overwrites what is freed, so that who reads it does not get by with what was there.
  await using eider = await startEider({ env: { MALLOC_PERTURB_: "165" } });
  const script = join(REPO, "test", "integration", "python", "plan_race.py");
  const rows = await runPython(script, eider.flightUri);
  expect(rows).toEqual([0, 1, 2, 3, 4].map((a) => [{ a, b: "text", n: 10 }]));
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
});
