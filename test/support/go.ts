import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPO } from "./repo.ts";

/** The Go module with the drivers. Go's own caches keep what is built. */
export const GO_MODULE = join(REPO, "test", "drivers", "go");

/** Whether there is a `go` command on PATH; says so when there is none. */
export function hasGo(): boolean {
  if (spawnSync("go", ["version"]).status === 0) return true;
  console.warn("go is not on PATH: the tests of Go's drivers are skipped");
  return false;
}

/** One line of `go test -json` (`go doc test2json`). */
interface GoEvent {
  readonly Action: string;
  readonly Test?: string;
  readonly Output?: string;
}

export interface GoTestResult {
  readonly outcome: "pass" | "fail" | "skip";
  /** Of the test and its subtests. */
  readonly output: string;
}

const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

/** Runs the module's tests; resolves to the results by name (`TestA`, `TestA/sub`). Rejects when they do not compile. */
export async function runGoTests(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Map<string, GoTestResult>> {
  const { stdout, stderr } = await promisify(execFile)("go", ["test", "-json", "-count=1", "-vet=off", ...args], {
    cwd: GO_MODULE,
    env: { ...process.env, ...env },
    maxBuffer: OUTPUT_LIMIT_BYTES,
  }).catch((error: { stdout: string; stderr: string }) => error);
  const outcomes = new Map<string, GoTestResult["outcome"]>();
  const outputs = new Map<string, string>();
  for (const line of stdout.split("\n")) {
    if (!line.startsWith("{")) continue;
    const { Action, Test, Output = "" } = JSON.parse(line) as GoEvent;
    if (Test === undefined) continue;
    if (Action === "pass" || Action === "fail" || Action === "skip") outcomes.set(Test, Action);
    const names = Test.split("/").map((_, depth, parts) => parts.slice(0, depth + 1).join("/"));
    for (const name of names) outputs.set(name, (outputs.get(name) ?? "") + Output);
  }
  if (outcomes.size === 0) throw new Error(`go test ran nothing:\n${stderr}\n${stdout}`);
  return new Map([...outcomes].map(([name, outcome]) => [name, { outcome, output: outputs.get(name) ?? "" }]));
}

/** The folder with the sources of one of the module's dependencies. */
export async function folderOfGoPackage(packagePath: string): Promise<string> {
  const { stdout } = await promisify(execFile)("go", ["list", "-f", "{{.Dir}}", packagePath], { cwd: GO_MODULE });
  return stdout.trim();
}

/** Builds a command of one of the module's dependencies to `path`. */
export async function buildGoCommand(packagePath: string, path: string): Promise<void> {
  await promisify(execFile)("go", ["build", "-o", path, packagePath], { cwd: GO_MODULE });
}
