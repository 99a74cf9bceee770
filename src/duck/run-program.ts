import { execFile } from "node:child_process";

/** Package clients name the addresses they use, which may hold credentials. */
const ADDRESS = /\b[a-z][a-z0-9+.-]*:\/\/[^\s'"]+/gi;
const OUTPUT_LIMIT_BYTES = 1 << 20;
const LINES_SHOWN = 3;

/** Runs a program to its end, without a shell; rejects with the last lines of what it said, or with the timeout. */
export function runProgram(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: OUTPUT_LIMIT_BYTES } as const;
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = withoutAddresses(`${stdout}\n${stderr}`).split("\n");
      const lines = said.map((line) => line.trim()).filter((line) => line !== "");
      if (error.killed) reject(new Error(`no answer within ${timeoutMs / 1000} s`));
      else if (error.code === "ENOENT") reject(new Error(`${program} was not found`));
      else reject(new Error(lines.slice(-LINES_SHOWN).join("; ") || `${program} failed`));
    });
    child.stdin?.end();
  });
}

export function withoutAddresses(text: string): string {
  return text.replace(ADDRESS, "(address)");
}
