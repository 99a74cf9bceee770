import { execFile, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { extensionPath } from "../support/extension-path.ts";
import { freePort } from "../support/free-port.ts";
import { GO_MODULE, hasGo } from "../support/go.ts";
import { driverJar, hasJava } from "../support/java.ts";
import { pythonPackages, pythonPath } from "../support/python.ts";
import { readRecipe } from "../support/recipe.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

const run = promisify(execFile);
const DOCS = join(REPO, "docs");

/** What a page's language needs; the pages are run as they are, but for the addresses. */
const LANGUAGES: Readonly<Record<string, (code: string, folder: string, eider: RunningEider) => Promise<string>>> = {
  python: async (code, folder) => {
    const file = join(folder, "recipe.py");
    await writeFile(file, `${code}\nimport os, sys; sys.stdout.flush(); os._exit(0)\n`);
    return (await run(pythonPath(), [file], { cwd: folder })).stdout;
  },
  sh: async (code, folder) => (await run("bash", ["-euo", "pipefail", "-c", code], { cwd: folder })).stdout,
  "sh dbt": async (code, folder, { dataDir, flightUri }) => {
    const packages = await pythonPackages("dbt");
    await symlink(dataDir, join(folder, "eider-data"));
    const path = [join(packages, "bin"), join(REPO, "bin"), dirname(process.execPath), process.env["PATH"]];
    const env = {
      ...process.env,
      HOME: folder,
      PATH: path.join(delimiter),
      PYTHONPATH: packages,
      EIDER_URI: flightUri,
      DO_NOT_TRACK: "1",
    };
    // What dbt's DuckDB would fetch from the network by the same command.
    const install = ["ducklake", "sqlite_scanner"].map((name) => `duckdb.sql("INSTALL '${extensionPath(name)}'")`);
    await run(pythonPath(), ["-c", ["import duckdb", ...install].join("\n")], { env });
    return (await run("bash", ["-euo", "pipefail", "-c", code], { cwd: folder, env })).stdout;
  },
  go: async (code, folder) => {
    // In the module of the drivers, whose dependencies are there; only this package is built.
    await writeFile(join(folder, "main.go"), code);
    const { stdout } = await run("go", ["run", "-modfile", join(GO_MODULE, "go.mod"), join(folder, "main.go")], {
      cwd: GO_MODULE,
      maxBuffer: 2 ** 24,
    });
    return stdout;
  },
  java: async (code, folder) => {
    await writeFile(join(folder, "Recipe.java"), code);
    const jar = await driverJar();
    await run("javac", ["-classpath", jar, "-d", folder, join(folder, "Recipe.java")]);
    const options = ["--add-opens=java.base/java.nio=ALL-UNNAMED", "-classpath", `${jar}${delimiter}${folder}`];
    return (await run("java", [...options, "Recipe"], { cwd: folder })).stdout;
  },
};

const AVAILABLE: Readonly<Record<string, () => boolean>> = {
  python: () => true,
  sh: () => spawnSync("curl", ["--version"]).status === 0,
  go: hasGo,
  java: hasJava,
};

const here = (code: string, { flightUri, httpUrl }: RunningEider) =>
  code.replaceAll("127.0.0.1:4214", new URL(flightUri).host).replaceAll("127.0.0.1:4280", new URL(httpUrl).host);

const PAGES = [
  ...readdirSync(join(DOCS, "recipes")).map((name) => join(DOCS, "recipes", name)),
  join(DOCS, "swanlake.md"),
];

describe.each(PAGES)("%s", (path) => {
  const { serverEnv, steps } = readRecipe(path);
  const isAvailable = steps.every(({ language }) => AVAILABLE[language]?.() ?? true);

  test.skipIf(!isAvailable)("prints what it says", async () => {
    await using eider = await startEider({ env: serverEnv });
    await using dir = tempDir("recipe");
    expect(steps.filter(({ expected }) => expected !== undefined).length).toBeGreaterThan(0);
    for (const { language, code, expected } of steps) {
      const runs = LANGUAGES[language];
      if (!runs) throw new Error(`nobody runs ${language}`);
      const printed = await runs(here(code, eider), dir.path, eider);
      if (expected !== undefined) expect(printed).toBe(expected);
    }
  });
});

test("the README's first rows", async () => {
  const [, code = ""] =
    /## First rows from Python.*?```python\n(.*?)```/s.exec(readFileSync(join(REPO, "README.md"), "utf8")) ?? [];
  await using eider = await startEider();
  await using dir = tempDir("first-rows");
  const promised = /print\(cursor.fetchall\(\)\) *# (.*)\n/.exec(code)?.[1];
  expect(await LANGUAGES["python"]?.(here(code, eider), dir.path, eider)).toBe(`${promised}\n`);
});

test("backup, restore and moving, as the page says", async () => {
  const { steps } = readRecipe(join(DOCS, "backup.md"));
  await using dir = tempDir("backup");
  const [port, httpPort] = [await freePort(), await freePort()];
  const bin = join(dir.path, "bin");
  await mkdir(bin);
  await symlink(join(REPO, "bin", "eider"), join(bin, "eider"));
  const env = {
    ...process.env,
    PATH: [bin, dirname(pythonPath()), dirname(process.execPath), process.env["PATH"]].join(delimiter),
    EIDER_PORT: `${port}`,
    EIDER_HTTP_PORT: `${httpPort}`,
    EIDER_URI: `grpc://127.0.0.1:${port}`,
  };
  const [backup = "", restore = "", move = ""] = steps.map(({ code }) => code);
  const script = `
    trap 'kill -KILL $EIDER 2> /dev/null || true' EXIT
    eider serve --data-dir eider-data >> log 2>&1 & EIDER=$!
    until eider flush 2> /dev/null; do kill -0 $EIDER; sleep 0.2; done
    eider query "CREATE TABLE events (id BIGINT PRIMARY KEY)"
    eider query "INSERT INTO duckling_queue.events SELECT range FROM range(1000)"
    ${backup}
    eider query "INSERT INTO duckling_queue.events SELECT range FROM range(1000, 1500)"
    eider flush
    eider query -o csv "SELECT count(*) AS rows FROM events"
    ${restore}
    eider query "INSERT INTO duckling_queue.events SELECT range FROM range(500, 1010)"
    ${move}`;
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: dir.path, env });
  expect(stdout.replaceAll("rows\n", "").trim().split("\n")).toEqual(["1500", "1000", "1010"]);
});
