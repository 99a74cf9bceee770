import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPO } from "./repo.ts";

/** The interpreter with pyarrow and the ADBC drivers; `scripts/setup-python.mjs` makes it. */
export function pythonPath(): string {
  const path = process.env["EIDER_PYTHON"] ?? join(REPO, ".venv", "bin", "python");
  if (!existsSync(path)) throw new Error(`${path} is missing: run node scripts/setup-python.mjs, or set EIDER_PYTHON`);
  return path;
}

/** Has pip build the package in `source` and put it, without what it depends on, into `folder`. */
export async function installPackage(source: string, folder: string): Promise<void> {
  const args = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--no-deps"];
  await promisify(execFile)(pythonPath(), [...args, "--target", folder, source]);
}

/** The folder of a list of packages, test/drivers/python/NAME.txt. */
export async function pythonPackages(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(REPO, "scripts", "setup-python.mjs"), name]);
  return stdout.trim();
}

export interface PythonOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Not the ordinary end: threads of Arrow that still start when the interpreter ends abort the process. */
const END_AT_ONCE = "import os, sys; sys.stdout.flush(); os._exit(0)";

/**
 * Runs a Python file (`….py`) or snippet. `input` is its standard input as JSON (`json.load(sys.stdin)`); the last line
 * that it prints must be JSON and is the result. Rejects with its standard error when it fails.
 */
export function runPython<T>(script: string, input: unknown = null, options: PythonOptions = {}): Promise<T> {
  const isFile = script.endsWith(".py") && !script.includes("\n");
  const args = [...(isFile ? [script] : ["-c", `${script}\n${END_AT_ONCE}`]), ...(options.args ?? [])];
  const child = spawn(pythonPath(), args, {
    cwd: REPO,
    env: { ...process.env, PYTHONUNBUFFERED: "1", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.signal ? { signal: options.signal } : {}),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A script that does not read its input closes the pipe early.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(input));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code !== 0) {
        return reject(
          new Error(`python ended with ${signal ?? code}:\n${stderr}${stdout === "" ? "" : `\n${stdout}`}`),
        );
      }
      const last = stdout.trimEnd().split("\n").at(-1) ?? "";
      try {
        resolve(JSON.parse(last));
      } catch {
        reject(new Error(`python's last line is not JSON: ${last}\n${stderr}`));
      }
    });
  });
}
