import PQueue from "p-queue";
import type { Target } from "../base/target.ts";

export interface TaskView {
  readonly id: number;
  readonly kind: string;
  /** Undefined: about the whole lake. */
  readonly target: Target | undefined;
  readonly startedMs: number | undefined;
  /** Percent; undefined while unknown. */
  readonly progress: number | undefined;
}

export interface TaskControl {
  readonly signal: AbortSignal;
  readonly onProgress: (read: () => number | undefined) => void;
}

interface Task {
  readonly id: number;
  readonly kind: string;
  readonly target: Target | undefined;
  readonly abort: AbortController;
  startedMs: number | undefined;
  readProgress: () => number | undefined;
}

/** Tasks that wait and run: a few at a time, those of higher priority first. */
export class TaskList implements AsyncDisposable {
  readonly #queue: PQueue;
  readonly #tasks = new Map<number, Task>();
  #lastId = 0;
  #isClosed = false;

  constructor(concurrency: number) {
    this.#queue = new PQueue({ concurrency });
  }

  get views(): readonly TaskView[] {
    return [...this.#tasks.values()].map(({ id, kind, target, startedMs, readProgress }) => ({
      id,
      kind,
      target,
      startedMs,
      progress: startedMs === undefined ? undefined : readProgress(),
    }));
  }

  get runningCount(): number {
    return this.#queue.pending;
  }

  /** `work` runs when it is its turn, and not at all once the list is closed; never rejects, so `work` must tell of its own failures. */
  add(
    task: { readonly kind: string; readonly target: Target | undefined; readonly priority: number },
    work: (control: TaskControl) => Promise<void>,
  ): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    const id = ++this.#lastId;
    const abort = new AbortController();
    const entry: Task = {
      id,
      kind: task.kind,
      target: task.target,
      abort,
      startedMs: undefined,
      readProgress: () => undefined,
    };
    this.#tasks.set(id, entry);
    const run = async () => {
      if (abort.signal.aborted) return;
      entry.startedMs = Date.now();
      await work({
        signal: abort.signal,
        onProgress: (read) => {
          entry.readProgress = read;
        },
      });
    };
    return this.#queue
      .add(run, { priority: task.priority })
      .catch(() => undefined)
      .finally(() => this.#tasks.delete(id));
  }

  /** Stops a task that runs, takes one that waits from the line; false when there is none of that number. */
  cancel(id: number): boolean {
    const task = this.#tasks.get(id);
    task?.abort.abort();
    return task !== undefined;
  }

  /** Cancels all and waits for their end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const id of this.#tasks.keys()) this.cancel(id);
    await this.#queue.onIdle();
  }
}
