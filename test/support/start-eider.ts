import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FailpointSpec } from "../../src/base/failpoints.ts";
import type { Config } from "../../src/config/config.ts";
import { flagName, type SettingKey } from "../../src/config/settings.ts";
import { DIST, REPO } from "./repo.ts";
import { tempDir } from "./temp-dir.ts";

export interface StartOptions {
  /** Settings beside the ports and the data folder, as flags. */
  readonly settings?: Partial<Config>;
  readonly env?: Readonly<Record<string, string>>;
  /** Kills or errors inside the server; runs test/support/crash-server.ts in place of bin/eider. */
  readonly failpoints?: FailpointSpec;
  /** Serves this folder, of an earlier server or of the caller; otherwise a temporary one that this server owns. */
  readonly dataDir?: string;
  /** Gets the process before it is ready. */
  readonly onSpawn?: (child: ChildProcess) => void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningEider extends AsyncDisposable {
  /** `grpc://127.0.0.1:PORT` */
  readonly flightUri: string;
  readonly httpUrl: string;
  readonly dataDir: string;
  readonly process: ChildProcess;
  readonly exited: Promise<Exit>;
  /** Standard error so far. */
  readonly logs: string;
  /** Standard output so far. */
  readonly output: string;
  /** What of the process is in memory now, MB; Linux. */
  readonly residentMb: number;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
  /** SIGKILL, then waits for the end. */
  kill(): Promise<Exit>;
}

const READY = /^eider ready flight=(\S+) http=(\S+) data=(.+)$/m;
const THREADS = "32";

/** Starts a server as a process of its own and waits until it is ready; rejects with its log when it ends before. */
export async function startEider(options: StartOptions = {}): Promise<RunningEider> {
  const owned = options.dataDir === undefined ? tempDir("server") : undefined;
  const dataDir = options.dataDir ?? owned?.path ?? "";
  const running = spawnEider(options, dataDir);
  try {
    const [, flightUri = "", httpUrl = ""] = await running.ready;
    return Object.assign(running.server, {
      flightUri,
      httpUrl,
      async [Symbol.asyncDispose]() {
        if (running.server.process.exitCode === null && running.server.process.signalCode === null) {
          await running.server.kill();
        }
        await owned?.[Symbol.asyncDispose]();
      },
    });
  } catch (error) {
    await running.server.kill();
    await owned?.[Symbol.asyncDispose]();
    throw error;
  }
}

function commandOf({ failpoints }: StartOptions): readonly [string, ...string[]] {
  if (failpoints)
    return [process.execPath, join(DIST, "test", "support", "crash-server.js"), JSON.stringify(failpoints)];
  // bin/eider runs `dist` alone.
  if (DIST === join(REPO, "dist")) return [join(REPO, "bin", "eider")];
  return [process.execPath, join(DIST, "src", "main.js")];
}

function flagsOf(settings: Partial<Config>): string[] {
  return Object.entries(settings).map(([key, value]) => `${flagName(key as SettingKey)}=${value}`);
}

function spawnEider(options: StartOptions, dataDir: string) {
  const [program, ...before] = commandOf(options);
  const flags = flagsOf({ dataDir, port: 0, httpPort: 0, ...options.settings });
  const child = spawn(program, [...before, "serve", ...flags], {
    cwd: REPO,
    env: { UV_THREADPOOL_SIZE: THREADS, ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  options.onSpawn?.(child);
  const said = { stdout: "", stderr: "" };
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
  const ready = new Promise<RegExpMatchArray>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said.stdout += text;
      const match = READY.exec(said.stdout);
      if (match) resolve(match);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said.stderr += text;
    });
    exited.then(({ code, signal }) => {
      reject(new Error(`eider ended with ${signal ?? code} before it was ready:\n${said.stderr}`));
    }, reject);
  });
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return exited;
  };
  const server = {
    dataDir,
    process: child as ChildProcess,
    exited,
    get logs() {
      return said.stderr;
    },
    get output() {
      return said.stdout;
    },
    get residentMb() {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
    },
    stop: (signal: NodeJS.Signals = "SIGTERM") => end(signal),
    kill: () => end("SIGKILL"),
  };
  return { server, ready };
}
