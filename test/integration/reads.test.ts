import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** Reading under bad conditions, on a server of its own: one case kills DuckDB's instance inside it. */
const folder = join(REPO, "test", "integration", "python");
const cases = [...readFileSync(join(folder, "read_cases.py"), "utf8").matchAll(/^def (case_\w+)/gm)].map(
  (match) => match[1] ?? "",
);

let eider: RunningEider;
let results: Record<string, string | null>;

beforeAll(async () => {
  eider = await startEider();
  results = await runPython(join(folder, "cases.py"), null, {
    args: ["read_cases", "--uri", eider.flightUri, "--http", eider.httpUrl],
  });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

test.each(cases)("%s", (name) => {
  if (results[name] !== null) expect.fail(`${results[name] ?? "the case did not run"}`);
});

test("the server has lived through all of it, and ends cleanly", async () => {
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
});
