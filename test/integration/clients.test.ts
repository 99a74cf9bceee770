import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** Each `case_*` of a Python module is a test; one Python process runs all of a module. */
const MODULES = ["adbc_cases", "flight_cases"];
const folder = join(REPO, "test", "integration", "python");

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider({ settings: { bufferMaxAgeSeconds: 2 } });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

describe.each(MODULES)("%s", (module) => {
  const names = [...readFileSync(join(folder, `${module}.py`), "utf8").matchAll(/^def (case_\w+)/gm)].map(
    (m) => m[1] ?? "",
  );
  let results: Record<string, string | null>;

  beforeAll(async () => {
    results = await runPython(join(folder, "cases.py"), null, {
      args: [module, "--uri", eider.flightUri, "--http", eider.httpUrl],
    });
  });

  test.each(names)("%s", (name) => {
    if (results[name] !== null) expect.fail(`${results[name] ?? "the case did not run"}`);
  });
});

test("the server is unharmed by all of it, and ends cleanly", async () => {
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
});
