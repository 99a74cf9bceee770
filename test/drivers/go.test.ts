import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { library_version } from "@duckdb/node-bindings";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ARROW_VERSION, VERSION } from "../../src/version.ts";
import { GO_MODULE, type GoTestResult, hasGo, runGoTests } from "../support/go.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

/** Go's ADBC driver, by ADBC's own validation suites and by what they do not ask, and database/sql over it. */

/** 1.12.0 cannot run the suites' ingests (see validation_test.go), 1.11.0 can. */
const DRIVERS = [
  { adbc: "1.12.0", modfile: "go.mod", wanted: /^Test/ },
  { adbc: "1.11.0", modfile: "adbc-1.11.mod", wanted: /^TestValidate/ },
];

const NAMES = readdirSync(GO_MODULE)
  .filter((file) => file.endsWith("_test.go"))
  .flatMap((file) => [...readFileSync(join(GO_MODULE, file), "utf8").matchAll(/^func (Test\w+)\(t \*testing\.T\)/gm)])
  .map((match) => match[1] ?? "");

let eider: RunningEider;

describe.skipIf(!hasGo())("Go", () => {
  beforeAll(async () => {
    eider = await startEider({ settings: { bufferMaxAgeSeconds: 2 } });
  });

  afterAll(() => eider[Symbol.asyncDispose]());

  describe.each(DRIVERS)("ADBC $adbc", ({ adbc, modfile, wanted }) => {
    let results: Map<string, GoTestResult>;

    beforeAll(async () => {
      results = await runGoTests([`-modfile=${modfile}`, `-run=${wanted.source}`, "."], {
        EIDER_URI: eider.flightUri,
        EIDER_VERSION: `${VERSION} (duckdb ${library_version()})`,
        EIDER_ARROW_VERSION: ARROW_VERSION,
        EIDER_ADBC: adbc,
      });
    });

    test.each(NAMES.filter((name) => wanted.test(name)))("%s", (name) => {
      const { outcome, output } = results.get(name) ?? { outcome: "none", output: "the test did not run" };
      if (outcome !== "pass") expect.fail(output);
    });

    test("skips only what a line in the code explains", () => {
      const skipped = [...results].filter(([, { outcome }]) => outcome === "skip");
      expect(skipped.filter(([, { output }]) => !/validation_test\.go:\d+: \w/.test(output))).toEqual([]);
    });
  });

  test("the server is unharmed by all of it, and ends cleanly", async () => {
    expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
  });
});
