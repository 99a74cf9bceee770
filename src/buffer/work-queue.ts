import { setImmediate as nextTurn } from "node:timers/promises";
import { EiderError } from "../errors.ts";

export interface Entry<T, R> {
  readonly value: T;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/** The pushed values up to the next turn; `take` removes the one that `peek` shows. */
export interface Head<T, R> {
  peek(): Entry<T, R> | undefined;
  take(): void;
}

/** How many queues of a worker have something to do. */
export class Activity {
  #count = 0;

  get isShared(): boolean {
    return this.#count > 1;
  }

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
  }
}

/**
 * Values and turns in order of arrival, one thing at a time: `commit` gets the values that wait at the head and settles
 * those that it takes (at least one, or it is called for ever); a turn runs alone. Starts when all messages that have
 * arrived were read, so that what they bring is seen together.
 */
export class WorkQueue<T, R> {
  readonly #commit: (head: Head<T, R>) => Promise<void>;
  readonly #activity: Activity;
  readonly #items: Array<Entry<T, R> | (() => Promise<void>)> = [];
  #running: Promise<void> | undefined;
  #closed: EiderError | undefined;

  constructor(commit: (head: Head<T, R>) => Promise<void>, activity: Activity) {
    this.#commit = commit;
    this.#activity = activity;
  }

  push(value: T): Promise<R> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#items.push({ value, resolve, reject });
      this.#start();
    });
  }

  /** Runs `body` by itself, after all that was pushed before. */
  turn<U>(body: () => Promise<U>): Promise<U> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#items.push(() => body().then(resolve, reject));
      this.#start();
    });
  }

  /** Refuses more, and waits for what is queued; values (not turns) are refused at once when there is a `reason`. */
  async close(reason?: EiderError): Promise<void> {
    this.#closed ??= reason ?? new EiderError("shutting_down", "the buffer is closed");
    if (reason) {
      for (const item of this.#items) if (typeof item !== "function") item.reject(reason);
      this.#items.splice(0, this.#items.length, ...this.#items.filter((item) => typeof item === "function"));
    }
    await this.#running;
  }

  #start(): void {
    if (this.#running) return;
    // Before any other queue of the worker writes.
    this.#activity.begin();
    this.#running = nextTurn()
      .then(() => this.#run())
      .finally(() => this.#activity.end());
  }

  async #run(): Promise<void> {
    const head: Head<T, R> = {
      peek: () => {
        const item = this.#items[0];
        return typeof item === "function" ? undefined : item;
      },
      take: () => this.#items.shift(),
    };
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      if (typeof item === "function") {
        this.#items.shift();
        await item();
      } else {
        await this.#commit(head);
      }
    }
    this.#running = undefined;
  }
}
