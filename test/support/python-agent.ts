import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { pythonPath } from "./python.ts";
import { REPO } from "./repo.ts";

type Answer = { readonly result: unknown } | { readonly error: string };

/**
 * A Python script that answers jobs, one JSON line for one JSON line, until its input ends: for tests that would spend
 * more on importing packages than on using them, or need clients that outlive servers. One job at a time.
 */
export class PythonAgent implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<void>;
  #stderr = "";

  constructor(script: string) {
    const child = spawn(pythonPath(), [script], {
      cwd: REPO,
      env: { ...process.env, PYTHONUNBUFFERED: "1", PYTHONPATH: join(REPO, "test", "support") },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    // Its end is told by the answer that does not come.
    child.stdin.on("error", () => {});
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", () => resolve());
    });
  }

  /** Rejects with the job's own error, or when the script ends before it answers. */
  async ask<T>(job: unknown): Promise<T> {
    const line = new Promise<string>((resolve) => this.#lines.once("line", resolve));
    this.#child.stdin?.write(`${JSON.stringify(job)}\n`);
    const text = await Promise.race([line, this.#ended]);
    if (text === undefined) throw new Error(`the Python script ended before it answered:\n${this.#stderr}`);
    const answer = JSON.parse(text) as Answer;
    if ("error" in answer) throw new Error(`${answer.error}\n${this.#stderr}`);
    return answer.result as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
