import { join } from "node:path";
import { expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";

test("a transaction that defines tables reads no freed memory when others load the same version of the schema", async () => {
  // glibc overwrites what is freed, so that who reads it does not get by with what was there.
  await using eider = await startEider({ env: { MALLOC_PERTURB_: "165" } });
  const script = join(REPO, "test", "integration", "python", "definition_race.py");
  expect(await runPython(script, eider.flightUri)).toEqual([{ comment: "made", n: 40 }]);
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
});
