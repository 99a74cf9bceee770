import { afterAll, beforeAll, expect, test } from "vitest";
import { testCases } from "../support/python-cases.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** Reading under bad conditions, on a server of its own: one case kills DuckDB's instance inside it. */

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider();
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

testCases("test/integration/python/read_cases.py", { server: () => eider });

test("the server has lived through all of it, and ends cleanly", async () => {
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
});
