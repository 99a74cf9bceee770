#!/usr/bin/env node
// What `npm test` runs after the build: Python and extensions are set up, then vitest runs every kind of test (or what
// the arguments say: `npm test -- --project unit`). The last line is `N passed, N failed[, N skipped]`.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setupExtensions } from "./setup-extensions.mjs";
import { setupPython } from "./setup-python.mjs";

const KINDS = ["unit", "integration", "drivers", "lakes", "crash", "bench"];
/** As bin/eider sets it: with Node's 4 a few long queries would block all others. */
const THREADS = "32";

const root = fileURLToPath(new URL("..", import.meta.url));
process.env.EIDER_PYTHON ??= setupPython();
process.env.UV_THREADPOOL_SIZE ??= THREADS;
try {
  await setupExtensions();
} catch (error) {
  finish({ passed: 0, failed: 1, skipped: 0 }, `${error}\nthe extensions that the tests need are missing`);
}

const scratch = mkdtempSync(join(tmpdir(), "eider-test-"));
const report = join(scratch, "report.json");
const args = process.argv.slice(2);
const kinds = args.some((argument) => argument.startsWith("--project"))
  ? []
  : KINDS.flatMap((kind) => ["--project", kind]);
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const code = run(process.execPath, [vitest, "run", "--passWithNoTests", ...kinds, ...reporters, ...args]);
const result = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
rmSync(scratch, { recursive: true, force: true });
finish(countsOf(result, code), result === undefined ? "vitest left no report" : undefined);

function run(program, programArgs) {
  // What tools say goes to stderr as well as the report, in order; stdout's last line is the count.
  return spawnSync(program, programArgs, { cwd: root, stdio: ["ignore", "inherit", "inherit"] }).status ?? 1;
}

function countsOf(report, exitCode) {
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  const failedTests = report?.numFailedTests ?? 0;
  // A file that could not be loaded, an error outside of any test, or no test at all is a failure, too.
  const emptyFiles = (report?.testResults ?? []).filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed"),
  ).length;
  const failed = failedTests + emptyFiles;
  return { passed, skipped, failed: failed === 0 && (exitCode !== 0 || passed === 0) ? 1 : failed };
}

function finish({ passed, failed, skipped }, problem) {
  if (problem !== undefined) console.error(problem);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exit(failed === 0 ? 0 : 1);
}
