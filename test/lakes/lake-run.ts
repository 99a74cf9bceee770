import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import type { FailpointSpec } from "../../src/base/failpoints.ts";
import type { Config } from "../../src/config/config.ts";
import { extensionPath } from "../support/extension-path.ts";
import { PythonAgent } from "../support/python-agent.ts";
import { REPO } from "../support/repo.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";

/** How to reach one lake, for Eider and for DuckDB itself. */
export interface LakePlace {
  readonly settings: Partial<Config>;
  readonly env?: Readonly<Record<string, string>>;
  readonly attach: {
    readonly extensions: readonly string[];
    /** Secrets and settings. */
    readonly setup: readonly string[];
    /** What follows `ducklake:`. */
    readonly catalog: string;
    readonly dataPath: string;
    readonly options: readonly string[];
  };
}

/** Nothing is flushed but by command. */
const STILL: Partial<Config> = { bufferMaxAgeSeconds: 3600, shutdownTimeoutSeconds: 120, logLevel: "debug" };

/** One lake over several lives of a server, and what its tables must hold. */
export class LakeRun implements AsyncDisposable {
  readonly #place: LakePlace;
  readonly #agent = new PythonAgent(join(REPO, "test", "lakes", "python", "agent.py"));
  readonly #folder = tempDir("lake");
  #logs = "";

  constructor(place: LakePlace) {
    this.#place = place;
  }

  get logs(): string {
    return this.#logs;
  }

  async live<T>(
    work: (eider: RunningEider) => Promise<T>,
    failpoints?: FailpointSpec,
    onSpawn?: (child: ChildProcess) => void,
    more: Partial<Config> = {},
  ): Promise<T> {
    const { settings, env } = this.#place;
    const eider = await startEider({
      dataDir: join(this.#folder.path, "data"),
      settings: { ...STILL, ...settings, ...more },
      ...(onSpawn ? { onSpawn } : {}),
      ...(env ? { env } : {}),
      ...(failpoints ? { failpoints } : {}),
    });
    try {
      return await work(eider);
    } finally {
      if (!failpoints) await eider.stop();
      this.#logs += eider.logs;
      await eider[Symbol.asyncDispose]();
    }
  }

  /** A life that its failpoint ends, during `work` or before the server is ready. */
  async dies(
    failpoints: FailpointSpec,
    work: (eider: RunningEider) => Promise<unknown> = async () => {},
  ): Promise<void> {
    try {
      const exit = await this.live(async (eider) => {
        await work(eider);
        return await eider.exited;
      }, failpoints);
      if (exit.signal !== "SIGKILL") throw new Error(`the server ended with ${exit.code} and not at its failpoint`);
    } catch (error) {
      if (!/ended with SIGKILL before it was ready/.test(String(error))) throw error;
    }
  }

  write(eider: RunningEider): Promise<null> {
    return this.#agent.ask({ do: "write", uri: eider.flightUri });
  }

  ingest(eider: RunningEider): Promise<null> {
    return this.#agent.ask({ do: "ingest", uri: eider.flightUri });
  }

  /** Resolves to null, or why the flush failed. */
  flush(eider: RunningEider): Promise<string | null> {
    return this.#agent.ask({ do: "flush", uri: eider.flightUri });
  }

  direct(eider: RunningEider): Promise<null> {
    return this.#agent.ask({ do: "direct", uri: eider.flightUri });
  }

  sql(eider: RunningEider, sql: string): Promise<ReadonlyArray<Record<string, unknown>>> {
    return this.#agent.ask({ do: "sql", uri: eider.flightUri, sql });
  }

  /** A column's type changes after a filter on it: DuckLake keeps statistics, which must not be of the old type. */
  async widen(eider: RunningEider): Promise<void> {
    const below = () => this.sql(eider, "SELECT count(*)::INTEGER AS n FROM widened WHERE id < 10");
    await this.sql(eider, "CREATE TABLE widened AS SELECT range::INTEGER AS id FROM range(1000)");
    expect(await below()).toEqual([{ n: 10 }]);
    await this.sql(eider, "ALTER TABLE widened ALTER id TYPE BIGINT");
    expect(await below()).toEqual([{ n: 10 }]);
    await this.sql(eider, "DROP TABLE widened");
  }

  check(eider: RunningEider): Promise<readonly string[]> {
    return this.#agent.ask({ do: "check", uri: eider.flightUri });
  }

  /** DuckDB makes the lake, before any server. */
  async makeForeign(): Promise<void> {
    await this.#agent.ask(this.#job("foreign", []));
  }

  /** DuckDB's Python package opens the lake, reads every table in every snapshot, and compares the newest. */
  judge(): Promise<{ readonly problems: readonly string[]; readonly snapshots: number; readonly rows: number }> {
    return this.#agent.ask(this.#job("judge", ["READ_ONLY"]));
  }

  #job(what: string, more: readonly string[]) {
    const { extensions, setup, catalog, dataPath, options } = this.#place.attach;
    const all = [`DATA_PATH '${dataPath}'`, ...options, ...more].join(", ");
    return {
      do: what,
      extensions: ["ducklake", ...extensions].map(extensionPath),
      setup,
      attach: `ATTACH 'ducklake:${catalog}' AS lake (${all})`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
