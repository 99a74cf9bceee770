import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { library_version } from "@duckdb/node-bindings";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashPassword } from "../../src/access/password.ts";
import { ARROW_VERSION, VERSION } from "../../src/version.ts";
import { makeAuthority, signedBy, writePair } from "../support/certificates.ts";
import { GO_MODULE, type GoTestResult, hasGo, runGoTests } from "../support/go.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { writeUsers } from "../support/users.ts";

/** Go's ADBC driver, by ADBC's own validation suites and by what they do not ask, and database/sql over it. */

const namesIn = (...files: readonly string[]) =>
  files.flatMap((file) =>
    [...readFileSync(join(GO_MODULE, file), "utf8").matchAll(/^func (Test\w+)\(t \*testing\.T\)/gm)].map(
      (match) => match[1] ?? "",
    ),
  );

const SUITES = namesIn("validation_test.go");
const OURS = namesIn("adbc_test.go", "flight_test.go", "types_test.go", "sql_test.go");

/** 1.12.0 cannot run the suites' ingests (see validation_test.go), 1.11.0 can. */
const DRIVERS = [
  { adbc: "1.12.0", modfile: "go.mod", names: [...SUITES, ...OURS] },
  { adbc: "1.11.0", modfile: "adbc-1.11.mod", names: SUITES },
];

/** Go's test functions as tests. Each skip must say why. */
function testsOf(names: readonly string[], modfile: string, env: () => Readonly<Record<string, string>>): void {
  let results: Map<string, GoTestResult>;

  beforeAll(async () => {
    results = await runGoTests([`-modfile=${modfile}`, `-run=^(${names.join("|")})$`, "."], env());
  });

  test.each(names)("%s", (name) => {
    const { outcome, output } = results.get(name) ?? { outcome: "none", output: "the test did not run" };
    if (outcome !== "pass") expect.fail(output);
  });

  test("skips only what a line in the code explains", () => {
    const skipped = [...results].filter(([, { outcome }]) => outcome === "skip");
    expect(skipped.filter(([, { output }]) => !/_test\.go:\d+: \w/.test(output))).toEqual([]);
  });
}

const isMissing = !hasGo();

describe.skipIf(isMissing)("Go", () => {
  let eider: RunningEider;

  beforeAll(async () => {
    eider = await startEider({ settings: { bufferMaxAgeSeconds: 2 } });
  });

  afterAll(() => eider[Symbol.asyncDispose]());

  describe.each(DRIVERS)("ADBC $adbc", ({ adbc, modfile, names }) => {
    testsOf(names, modfile, () => ({
      EIDER_URI: eider.flightUri,
      EIDER_VERSION: `${VERSION} (duckdb ${library_version()})`,
      EIDER_ARROW_VERSION: ARROW_VERSION,
      EIDER_ADBC: adbc,
    }));
  });

  test("the server is unharmed by all of it, and ends cleanly", async () => {
    expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
  });
});

describe.skipIf(isMissing)("Go, with TLS and users", () => {
  const PASSWORD = "a pässword";
  const folder = tempDir("secured");
  let eider: RunningEider;
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    const users = writeUsers(folder.path, {
      joe: { role: "admin", password: await hashPassword(PASSWORD) },
      machine: { role: "admin" },
    });
    const authority = await makeAuthority("the authority");
    const server = writePair(folder.path, "server", await signedBy(authority, "localhost"));
    const machine = await signedBy(authority, "machine");
    const ca = join(folder.path, "ca.pem");
    writeFileSync(ca, authority.cert);
    eider = await startEider({
      settings: {
        usersFile: users.path,
        tlsCertFile: server.cert,
        tlsKeyFile: server.key,
        tlsClientCaFile: ca,
        tlsClientAuth: "optional",
      },
    });
    env = {
      EIDER_URI: eider.flightUri,
      EIDER_AUTHORITY: authority.cert,
      EIDER_PASSWORD: PASSWORD,
      EIDER_TOKEN: users.tokens.joe,
      EIDER_CLIENT_CERTIFICATE: machine.cert,
      EIDER_CLIENT_KEY: machine.key,
    };
  });

  afterAll(async () => {
    await eider[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  testsOf(namesIn("secured_test.go"), "go.mod", () => env);
});
