import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasJava, JAVA_SOURCES, runJava } from "../support/java.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The JDBC driver as it is on Maven Central, through a small program: each of its `case…` methods is a test. */
const names = readdirSync(JAVA_SOURCES)
  .filter((file) => file.endsWith("Cases.java"))
  .flatMap((file) =>
    [...readFileSync(join(JAVA_SOURCES, file), "utf8").matchAll(/^ {2}static void (case\w+)\(Eider eider\)/gm)].map(
      (match) => `${file.replace(".java", "")}.${match[1]}`,
    ),
  );

describe.skipIf(!hasJava())("Java", () => {
  const classes = tempDir("java");
  let eider: RunningEider;
  let results: Record<string, string | null>;

  beforeAll(async () => {
    eider = await startEider({ settings: { bufferMaxAgeSeconds: 2 } });
    const url = eider.flightUri.replace("grpc://", "jdbc:arrow-flight-sql://");
    results = await runJava(classes.path, [`${url}/`, `${eider.httpUrl}/metrics`]);
  });

  afterAll(async () => {
    await eider[Symbol.asyncDispose]();
    await classes[Symbol.asyncDispose]();
  });

  test.each(names)("%s", (name) => {
    if (results[name] !== null) expect.fail(`${results[name] ?? "the case did not run"}`);
  });

  test("the server is unharmed by all of it, and ends cleanly", async () => {
    expect(await eider.stop("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
  });
});
