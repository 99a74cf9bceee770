#!/usr/bin/env node
// npm run demo: real data through real clients into a lake in a temporary folder, checked against DuckDB reading the same
// files. Ends with an error when a single figure differs. Needs a build.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setupPython } from "./setup-python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.EIDER_DIST ?? "dist";
const { startEider } = await import(new URL(`../${dist}/test/support/start-eider.js`, import.meta.url));
const { loadConfig } = await import(new URL(`../${dist}/src/config/load.js`, import.meta.url));

const python = process.env.EIDER_PYTHON ?? setupPython();
const { extensionDir } = loadConfig({ flags: { values: {}, unknown: [] }, env: process.env, cwd: root }).config;

function runStep(step, running) {
  const input = {
    step,
    flightUri: running.flightUri,
    httpUrl: running.httpUrl,
    dataDir: running.dataDir,
    files: join(root, "node_modules", "vega-datasets", "data"),
    extension: join(extensionDir, "ducklake.duckdb_extension"),
  };
  const child = spawn(python, [join(root, "scripts", "demo.py"), JSON.stringify(input)], {
    env: { ...process.env, PYTHONUNBUFFERED: "1" },
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${step} ended with ${signal ?? code}`)),
    );
  });
}

const running = await startEider();
try {
  console.log(running.output.trim());
  await runStep("clients", running);
  const { code } = await running.stop();
  if (code !== 0) throw new Error(`the server ended with ${code}`);
  await runStep("judge", running);
} catch (error) {
  console.error(`${running.logs}\ndemo failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await running[Symbol.asyncDispose]();
}
