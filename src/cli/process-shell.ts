import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { FailpointSpec } from "../base/failpoints.ts";
import type { Shell } from "./shell.ts";
import { utf8Text } from "./utf8-text.ts";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** The real process as a Shell. `failpoints` come from tests alone. */
export function processShell(failpoints?: FailpointSpec): Shell {
  return {
    env: process.env,
    cwd: process.cwd(),
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    write,
    page: (text) => page(text, process.env),
    readInput: async () => utf8Text(await buffer(process.stdin), "standard input"),
    stdinIsTerminal: process.stdin.isTTY === true,
    stdoutIsTerminal: process.stdout.isTTY === true,
    stderrIsTerminal: process.stderr.isTTY === true,
    onStopSignal(listener) {
      for (const signal of STOP_SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of STOP_SIGNALS) process.off(signal, listener);
      };
    },
    readSecret,
    // Not process.exit: it joins libuv's threads, and so waits for a query or a COMMIT that runs or hangs in one of them.
    exitNow: () => process.kill(process.pid, "SIGKILL"),
    ...(failpoints ? { failpoints } : {}),
  };
}

function write(part: string | Uint8Array): Promise<void> {
  // Without a listener the stream's error would end the process by an exception; the callback gets it, too.
  if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", () => undefined);
  return new Promise((resolve, reject) => {
    process.stdout.write(part, (error) => (error ? reject(error) : resolve()));
  });
}

/** Like git: ends at once when the text fits, keeps colours, and leaves the text on the screen. */
const LESS = "FRSX";

async function page(text: string | Uint8Array, env: NodeJS.ProcessEnv): Promise<void> {
  const pager = env["PAGER"] ?? "less";
  if (pager === "" || pager === "cat") return await write(text);
  // By a shell, as every program does: PAGER may have arguments. A pager that is missing must hide nothing.
  const child = spawn("/bin/sh", ["-c", `command -v ${pager.split(" ")[0]} >/dev/null || exec cat; exec ${pager}`], {
    stdio: ["pipe", "inherit", "inherit"],
    env: { LESS, ...env },
  });
  // Left before its end: the rest is not written.
  child.stdin.on("error", () => undefined);
  child.stdin.end(text);
  await once(child, "close");
}

async function readSecret(question: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true;
  if (isTerminal) process.stderr.write(question);
  // What is typed is echoed to `output`: nowhere.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output, terminal: isTerminal });
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    lines.close();
    if (isTerminal) process.stderr.write("\n");
  }
}
