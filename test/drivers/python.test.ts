import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pythonPackages } from "../support/python.ts";
import { testCases } from "../support/python-cases.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** The versions of the driver: a list of packages each, but for the one in test/requirements.txt. */
const VERSIONS = ["adbc-1.3.0", "adbc-1.7.0", "adbc-1.10.0", "adbc-1.13.0"];
const IN_REQUIREMENTS = "adbc-1.13.0";

let eider: RunningEider;

beforeAll(async () => {
  eider = await startEider();
});

afterAll(async () => {
  await eider[Symbol.asyncDispose]();
});

describe.each(VERSIONS)("%s", (version) => {
  testCases("test/drivers/python/adbc_versions.py", {
    server: () => eider,
    ...(version === IN_REQUIREMENTS ? {} : { packages: () => pythonPackages(version) }),
  });
});

describe("dataframes", () => {
  testCases("test/drivers/python/dataframes.py", { server: () => eider });
});

describe.each(["sqlalchemy", "ibis"])("%s", (name) => {
  testCases(`test/drivers/python/${name}_cases.py`, { server: () => eider, packages: () => pythonPackages(name) });
});

test("the server is unharmed by all of it, and ends cleanly", async () => {
  expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
});
