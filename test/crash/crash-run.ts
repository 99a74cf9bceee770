import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FailpointSpec } from "../../src/base/failpoints.ts";
import type { Config } from "../../src/config/config.ts";
import { PythonAgent } from "../support/python-agent.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, type StartOptions, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

/** Small limits, so that a few hundred rows come to every state of a segment; no limit is a time but the age. */
const SETTINGS: Partial<Config> = {
  bufferMaxRows: 300,
  bufferMaxAgeSeconds: 1,
  sweepIntervalSeconds: 1,
  stageMemoryBytes: 32 * 1024,
  shutdownTimeoutSeconds: 120,
};
/** More than a server that is to be killed can take. */
const ENDLESS = 100_000;
/** Of each writer in the life that is not killed. */
const LAST_OPERATIONS = 3;

interface WriterEnd {
  readonly acknowledged: number;
  readonly error: string | null;
  readonly error_at_ms: number | null;
}
type WriterEnds = Readonly<Record<string, WriterEnd>>;

export interface Verdict {
  readonly problems: readonly string[];
  readonly rows: Readonly<Record<string, number>>;
  /** Parquet files that no snapshot refers to. */
  readonly orphans: number;
  /** Operations whose acknowledgement came; and those whose connection broke first. */
  readonly acknowledged: number;
  readonly doubtful: number;
}

export interface Kill {
  /** `spawn`: while the server starts. */
  readonly from: "spawn" | "ready";
  readonly afterMs: number;
}

/** The writers, who outlive the servers, and the judge. */
export function crashAgent(): PythonAgent {
  return new PythonAgent(join(REPO, "test", "crash", "python", "agent.py"));
}

/** One data folder over several lives of a server, and what its writers were told in them. */
export class CrashRun implements AsyncDisposable {
  readonly #agent: PythonAgent;
  readonly #folder = tempDir("crash");
  /** Against the product, found before the judge looks. */
  readonly #problems: string[] = [];
  #logs = "";

  readonly dataDir = this.#folder.path;
  readonly catalog = join(this.dataDir, "catalog.ducklake");
  readonly dataPath = join(this.dataDir, "lake");
  readonly extension = join(
    process.env["EIDER_EXTENSION_DIR"] ?? join(REPO, ".extensions"),
    "ducklake.duckdb_extension",
  );

  private constructor(agent: PythonAgent) {
    this.#agent = agent;
  }

  /** With writers of these routes; of all in `operations.py` by default. */
  static async begin(agent: PythonAgent, routes: readonly string[] | null = null): Promise<CrashRun> {
    await agent.ask({ do: "begin", routes });
    return new CrashRun(agent);
  }

  /** Of all lives. */
  get logs(): string {
    return this.#logs;
  }

  /** A life that a failpoint ends, in the recovery of what an earlier one left or under writers. */
  async liveUntilFailpoint(failpoints: FailpointSpec): Promise<void> {
    const eider = await this.#start({ failpoints });
    if (eider === undefined) return;
    const ends = await this.#write(eider, ENDLESS);
    const isKilled = Object.values(ends).some(({ error }) => error !== null);
    if (!isKilled) this.#problems.push(`the failpoint was never hit: ${JSON.stringify(failpoints)}`);
    await this.#end(eider, "SIGKILL");
  }

  /** A life under writers that SIGKILL ends after some time. Resolves to whether the server had become ready. */
  async liveUntilKilled(kill: Kill, settings: Partial<Config>): Promise<boolean> {
    let killedAtMs = Number.POSITIVE_INFINITY;
    const killLater = async (child: ChildProcess) => {
      await sleep(kill.afterMs);
      killedAtMs = Date.now();
      child.kill("SIGKILL");
    };
    let killing: Promise<void> | undefined;
    const onSpawn = (child: ChildProcess) => {
      if (kill.from === "spawn") killing = killLater(child);
    };
    const eider = await this.#start({ settings, onSpawn });
    if (eider === undefined) return false;
    killing ??= killLater(eider.process);
    const ends = await this.#write(eider, ENDLESS);
    await killing;
    for (const [route, { error, error_at_ms }] of Object.entries(ends)) {
      if (error !== null && (error_at_ms ?? 0) < killedAtMs)
        this.#problems.push(`${route}: failed before the kill: ${error}`);
    }
    await this.#end(eider, "SIGKILL");
    return true;
  }

  /** The last life: every writer gets on, and the server stops cleanly. */
  async liveAndStop(): Promise<void> {
    const eider = await this.#start({});
    if (eider === undefined) throw new Error(`the last server did not start:\n${this.#logs}`);
    for (const [route, { error }] of Object.entries(await this.#write(eider, LAST_OPERATIONS))) {
      if (error !== null) this.#problems.push(`${route}: failed without a kill: ${error}`);
    }
    const exit = await this.#end(eider, "SIGTERM");
    if (exit.code !== 0) this.#problems.push(`the last server ended with ${exit.signal ?? exit.code}`);
  }

  /** DuckDB's Python package reads the lake, and what is left in the data folder. */
  async judge(): Promise<Verdict> {
    const verdict = await this.#agent.ask<Verdict>({
      do: "judge",
      extension: this.extension,
      data_dir: this.dataDir,
      catalog: this.catalog,
      data_path: this.dataPath,
    });
    return { ...verdict, problems: [...this.#problems, ...verdict.problems] };
  }

  /** Undefined when SIGKILL came before the server was ready. */
  async #start(options: StartOptions): Promise<RunningEider | undefined> {
    let child: ChildProcess | undefined;
    try {
      return await startEider({
        ...options,
        dataDir: this.dataDir,
        settings: { ...SETTINGS, ...options.settings },
        onSpawn: (spawned) => {
          child = spawned;
          options.onSpawn?.(spawned);
        },
      });
    } catch (error) {
      this.#logs += String(error);
      if (child?.signalCode === "SIGKILL") return undefined;
      throw error;
    }
  }

  #write(eider: RunningEider, count: number): Promise<WriterEnds> {
    return this.#agent.ask({ do: "write", uri: eider.flightUri, count });
  }

  async #end(eider: RunningEider, signal: "SIGKILL" | "SIGTERM") {
    const exit = await eider.stop(signal);
    this.#logs += eider.logs;
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
