#!/usr/bin/env node
// Makes .venv with what test/requirements.txt lists, and, asked for it by name (`setup-python.mjs adbc-1.3.0`), a folder
// of packages that goes before the interpreter's own (PYTHONPATH): other versions of what is in .venv. Idempotent: a stamp
// holds the hash of the list and of Python's version. Prints the path.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const venv = join(root, ".venv");
const requirements = join(root, "test", "requirements.txt");
export const pythonPath = join(venv, ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]));

const run = (program, args) => execFileSync(program, args, { stdio: ["ignore", 2, 2], cwd: root });
const versionOf = (python) => execFileSync(python, ["--version"], { encoding: "utf8" });
const install = (python, args) =>
  run(python, ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", ...args]);

/** Resolves nothing, returns the interpreter's path; throws when Python, its venv module or a package is missing. */
export function setupPython(python = process.env.EIDER_BASE_PYTHON ?? "python3") {
  const version = versionOf(python);
  return make(venv, pythonPath, [version, readFileSync(requirements)], () => {
    console.error(`python: making ${venv} (${version.trim()})`);
    run(python, ["-m", "venv", venv]);
    install(pythonPath, ["-r", requirements]);
  });
}

/** Returns the folder. Only what is listed is installed; all else comes from the interpreter's own packages. */
export function setupPackages(name, python = process.env.EIDER_PYTHON ?? setupPython()) {
  const list = join(root, "test", "drivers", "python", `${name}.txt`);
  const folder = join(root, ".venv-packages", name);
  return make(folder, folder, [versionOf(python), readFileSync(list)], () => {
    install(python, ["--no-deps", "--target", folder, "-r", list]);
  });
}

/** Makes `folder` anew unless it is there and was made of the same; returns `result`, a path in it. */
function make(folder, result, sources, build) {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(source);
  const digest = hash.digest("hex");
  const stamp = join(folder, "eider-stamp");
  if (existsSync(stamp) && existsSync(result) && readFileSync(stamp, "utf8") === digest) return result;
  rmSync(folder, { recursive: true, force: true });
  build();
  writeFileSync(stamp, digest);
  return result;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name] = process.argv.slice(2);
  console.log(name === undefined ? setupPython() : setupPackages(name));
}
