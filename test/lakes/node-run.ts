import { join } from "node:path";
import { Scope } from "../../src/base/scope.ts";
import type { Config } from "../../src/config/config.ts";
import { extensionPath } from "../support/extension-path.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { PythonAgent } from "../support/python-agent.ts";
import { REPO } from "../support/repo.ts";
import { S3_KEY_ID, S3_SECRET, startS3 } from "../support/s3-server.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { TcpGate } from "../support/tcp-gate.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { postgresPlace } from "./catalog-rows.ts";

/** Servers on one PostgreSQL catalog and one bucket, each with a data folder of its own, and their writers. */
export class NodeRun implements AsyncDisposable {
  readonly #scope: Scope;
  readonly #agent: PythonAgent;
  readonly #folder: TempDir;
  readonly #settings: Partial<Config>;
  readonly #attach: object;
  readonly #nodes = new Map<number, RunningEider>();
  /** Between the servers and the bucket. */
  readonly store: TcpGate;
  #logs = "";
  #asking: Promise<unknown> = Promise.resolve();

  private constructor(
    scope: Scope,
    agent: PythonAgent,
    folder: TempDir,
    settings: Partial<Config>,
    attach: object,
    store: TcpGate,
  ) {
    this.#scope = scope;
    this.#agent = agent;
    this.#folder = folder;
    this.#settings = settings;
    this.#attach = attach;
    this.store = store;
  }

  static async open(settings: Partial<Config>): Promise<NodeRun> {
    const scope = new Scope();
    try {
      const folder = scope.use(tempDir("nodes"));
      const server = scope.use(await startPostgres());
      server.createDatabase("lake");
      const s3 = scope.use(await startS3());
      await s3.createBucket("lake");
      const store = scope.use(await TcpGate.open(Number(s3.endpoint.split(":")[1])));
      const { settings: catalog, attach } = postgresPlace(server, "lake");
      const dataPath = "s3://lake/nodes/";
      const secret = `KEY_ID '${S3_KEY_ID}', SECRET '${S3_SECRET}', ENDPOINT '${s3.endpoint}', URL_STYLE 'path', USE_SSL false`;
      const agent = scope.use(new PythonAgent(join(REPO, "test", "lakes", "python", "nodes_agent.py")));
      return new NodeRun(
        scope,
        agent,
        folder,
        {
          ...catalog,
          dataPath,
          storeEndpoint: `127.0.0.1:${store.port}`,
          storeUrlStyle: "path",
          storeUseSsl: false,
          storeRegion: "us-east-1",
          storeKeyId: S3_KEY_ID,
          storeSecret: S3_SECRET,
          shutdownTimeoutSeconds: 120,
          ...settings,
        },
        {
          extensions: ["ducklake", "httpfs", ...attach.extensions].map(extensionPath),
          setup: [...attach.setup, `CREATE SECRET judge_store (TYPE s3, ${secret})`],
          attach: `ATTACH 'ducklake:${attach.catalog}' AS lake (${[...attach.options, "READ_ONLY"].join(", ")})`,
        },
        store,
      );
    } catch (error) {
      await scope[Symbol.asyncDispose]();
      throw error;
    }
  }

  get logs(): string {
    return [this.#logs, ...[...this.#nodes].map(([node, { logs }]) => `node ${node}:\n${logs}`)].join("\n");
  }

  folderOf(node: number | string): string {
    return join(this.#folder.path, `node-${node}`);
  }

  node(node: number): RunningEider {
    const eider = this.#nodes.get(node);
    if (!eider) throw new Error(`node ${node} does not run`);
    return eider;
  }

  async start(node: number, dataDir = this.folderOf(node)): Promise<RunningEider> {
    const eider = await startEider({ dataDir, settings: this.#settings });
    this.#nodes.set(node, eider);
    await this.#ask({ do: "moved", node, uri: eider.flightUri });
    return eider;
  }

  async kill(node: number): Promise<void> {
    const eider = this.node(node);
    await eider.kill();
    this.#logs += `node ${node}:\n${eider.logs}`;
    this.#nodes.delete(node);
  }

  /** The agent does one job at a time. */
  #ask<T>(job: unknown): Promise<T> {
    const asked = this.#asking.then(() => this.#agent.ask<T>(job));
    this.#asking = asked.catch(() => undefined);
    return asked;
  }

  /** Starts the writers of all nodes that run. */
  async write(count: number): Promise<void> {
    const nodes = Object.fromEntries([...this.#nodes].map(([node, { flightUri }]) => [node, flightUri]));
    await this.#ask({ do: "write", nodes, count });
  }

  /** Resolves once every writer has had so many operations acknowledged. */
  async progress(count: number): Promise<void> {
    while ((await this.#ask<number>({ do: "progress" })) < count) await new Promise((r) => setTimeout(r, 50));
  }

  /** From now on events have the column `extra`. */
  async useExtra(): Promise<void> {
    await this.#ask({ do: "extra" });
  }

  wait(): Promise<readonly string[]> {
    return this.#ask({ do: "wait" });
  }

  sql(node: number, sql: string): Promise<ReadonlyArray<Record<string, unknown>>> {
    return this.#ask({ do: "sql", node, sql });
  }

  put(
    node: number,
    table: readonly string[],
    rows: readonly object[],
    narrow: readonly string[] = [],
  ): Promise<unknown> {
    return this.#ask({ do: "put", node, table, rows, narrow });
  }

  flush(node: number): Promise<unknown> {
    return this.sql(node, "CALL duckling_queue_flush()");
  }

  judge(): Promise<{ readonly problems: readonly string[]; readonly rows: number; readonly authors: number }> {
    return this.#ask({ do: "judge", ...this.#attach });
  }

  read(sql: string): Promise<readonly unknown[][]> {
    return this.#ask({ do: "read", ...this.#attach, sql });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const eider of this.#nodes.values()) await eider.kill();
    await this.#scope[Symbol.asyncDispose]();
  }
}
