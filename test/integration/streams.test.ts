import { afterAll, beforeAll, expect, test } from "vitest";
import { testCases } from "../support/python-cases.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** Streams, cancels and transactions, which look at the whole server: nobody else may use it. */

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider();
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

testCases("test/integration/python/stream_cases.py", { server: () => eider });

test("the server is unharmed by all of it, and ends cleanly", async () => {
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
});
