#!/usr/bin/env node
// Makes .venv with what test/requirements.txt lists. Idempotent: a stamp holds the hash of that file and of Python's version.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const venv = join(root, ".venv");
const requirements = join(root, "test", "requirements.txt");
const stamp = join(venv, "eider-stamp");
export const pythonPath = join(venv, ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]));

const run = (program, args) => execFileSync(program, args, { stdio: ["ignore", 2, 2], cwd: root });

/** Resolves nothing, returns the interpreter's path; throws when Python, its venv module or a package is missing. */
export function setupPython(python = process.env.EIDER_BASE_PYTHON ?? "python3") {
  const version = execFileSync(python, ["--version"], { encoding: "utf8" });
  const hash = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex");
  if (existsSync(stamp) && existsSync(pythonPath) && readFileSync(stamp, "utf8") === hash) return pythonPath;
  console.error(`python: making ${venv} (${version.trim()})`);
  rmSync(venv, { recursive: true, force: true });
  run(python, ["-m", "venv", venv]);
  run(pythonPath, ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "-r", requirements]);
  writeFileSync(stamp, hash);
  return pythonPath;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(setupPython());
