import { isAbsolute, relative, sep } from "node:path";
import { describeConfig, settingViews } from "../config/describe.ts";
import type { Flags } from "../config/flags.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { hasTls } from "../config/security.ts";
import { EiderError } from "../errors.ts";
import { createLog, type Logger } from "../observe/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { Problems } from "../observe/problems.ts";
import { openTraces } from "../observe/traces.ts";
import { type EiderServer, openServer } from "../server.ts";
import { growHeapFreely } from "./heap.ts";
import { EXIT, type Shell } from "./shell.ts";
import { threadPoolProblem } from "./thread-pool.ts";

/** After the drain, for what cannot be stopped: a COMMIT to a catalog that does not answer, for example. */
const CLOSE_LIMIT_MS = 10_000;

/** Serves until a stop signal; resolves to the exit code. Rejects when the server cannot start. */
export async function serve(flags: Flags, shell: Shell): Promise<number> {
  const loaded = loadConfig({ flags, env: shell.env, cwd: shell.cwd });
  growHeapFreely();
  const problems = new Problems();
  const log = createLog({ level: loaded.config.logLevel, isTerminal: shell.stderrIsTerminal, problems });
  announce(loaded, shell, log);
  const stop = stopSignal(shell, log);
  const traces = await openTraces(shell.env, log);
  try {
    const deps = {
      log,
      traces,
      metrics: createMetrics(),
      problems,
      settings: settingViews(loaded),
      stopSignal: stop.signal,
      ...(shell.failpoints ? { failpoints: shell.failpoints } : {}),
    };
    const server = await openServer(loaded.config, deps);
    try {
      if (!stop.isAsked()) shell.stdout(readyLine(loaded, server, shell.cwd));
      await stop.asked;
      await server.drain();
    } finally {
      await closeWithin(CLOSE_LIMIT_MS, server, shell, log);
    }
    log.info("stopped");
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof EiderError) || error.code !== "shutting_down") throw error;
    log.info(error.message);
    return EXIT.ok;
  } finally {
    await traces?.[Symbol.asyncDispose]();
    stop.unlisten();
  }
}

async function closeWithin(limitMs: number, server: EiderServer, shell: Shell, log: Logger): Promise<void> {
  const timer = setTimeout(() => {
    log.error(
      { limitMs },
      "the server could not be closed in time: exiting; what is not in the lake waits in its segments",
    );
    shell.exitNow();
  }, limitMs);
  try {
    await server[Symbol.asyncDispose]();
  } finally {
    clearTimeout(timer);
  }
}

function announce(loaded: LoadedConfig, shell: Shell, log: Logger): void {
  for (const warning of loaded.warnings) log.warn(warning);
  const problem = threadPoolProblem(shell.env, loaded.config);
  if (problem !== undefined) log.warn(problem);
  log.debug({ settings: describeConfig(loaded) }, "all settings");
  log.info({ settings: describeConfig(loaded, "changed") }, "starting");
}

interface StopSignal {
  readonly asked: Promise<void>;
  /** Aborted when it is asked for. */
  readonly signal: AbortSignal;
  readonly isAsked: () => boolean;
  readonly unlisten: () => void;
}

/** The first signal asks for a graceful stop, also while the server starts; the second ends the process. */
function stopSignal(shell: Shell, log: Logger): StopSignal {
  let count = 0;
  const asking = new AbortController();
  let resolveAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    resolveAsked = resolve;
  });
  const unlisten = shell.onStopSignal((signal) => {
    count++;
    if (count > 1) {
      log.warn({ signal }, "second signal: exiting at once; unflushed rows stay in their segments");
      shell.exitNow();
      return;
    }
    log.info({ signal }, "stopping: finishing calls and flushing; a second signal exits at once");
    resolveAsked();
    asking.abort();
  });
  return { asked, signal: asking.signal, isAsked: () => count > 0, unlisten };
}

function readyLine({ config }: LoadedConfig, server: EiderServer, cwd: string): string {
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const [flight, http] = hasTls(config) ? ["grpc+tls", "https"] : ["grpc", "http"];
  return (
    `eider ready flight=${flight}://${host}:${server.flightPort} http=${http}://${host}:${server.httpPort} ` +
    `data=${shortPath(config.dataDir, cwd)}\n`
  );
}

/** `./eider-data` rather than the whole path when it lies below the current folder. */
function shortPath(path: string, cwd: string): string {
  const below = relative(cwd, path);
  return below === "" || below === ".." || below.startsWith(`..${sep}`) || isAbsolute(below) ? path : `.${sep}${below}`;
}
