import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setupPython } from "../scripts/setup-python.mjs";

const folder = fileURLToPath(new URL(".", import.meta.url));
process.env.EIDER_PYTHON ??= setupPython();

/** Runs a script of this folder with `input` as JSON beside other work; resolves to the JSON that it prints. */
export function askPython(script, input) {
  const child = spawn(process.env.EIDER_PYTHON, [join(folder, script), JSON.stringify(input)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`${script}: ${code}`))));
  });
}
