import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testCases } from "../support/python-cases.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider({ settings: { bufferMaxAgeSeconds: 2 } });
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

describe.each(["adbc_cases", "flight_cases", "mistake_cases", "parameter_cases"])("%s", (module) => {
  testCases(`test/integration/python/${module}.py`, { server: () => eider });
});

test("the server is unharmed by all of it, and ends cleanly", async () => {
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
});
