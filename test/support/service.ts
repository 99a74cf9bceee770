import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface ServiceOptions {
  readonly port: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: NodeJS.Signals;
}

/** A server of another maker as a child process, until disposed. */
export class Service implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #signal: NodeJS.Signals;
  #log = "";

  private constructor(child: ChildProcess, signal: NodeJS.Signals) {
    this.#child = child;
    this.#signal = signal;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#log += text;
      });
    }
  }

  /** Resolves once its port takes connections; rejects with what it said when it ends before. */
  static async start(program: string, args: readonly string[], options: ServiceOptions): Promise<Service> {
    const child = spawn(program, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const service = new Service(child, options.signal ?? "SIGTERM");
    let failure: Error | undefined;
    child.on("error", (error) => {
      failure = error;
    });
    while (!(await takesConnections(options.port))) {
      if (failure) throw failure;
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${service.#log}`);
      await sleep(50);
    }
    return service;
  }

  get log(): string {
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill(this.#signal);
    await closed;
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
