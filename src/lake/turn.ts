import PQueue from "p-queue";

/** Work that must not run beside other work of its kind; in the order of the calls. */
export class Turn {
  readonly #queue = new PQueue({ concurrency: 1 });

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue.add(work);
  }

  /** Waits for the turn and keeps it until the returned function is called; undefined when it did not come in time. */
  async hold(waitMs: number): Promise<(() => void) | undefined> {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), waitMs);
    return await new Promise((resolve) => {
      const turn = this.#queue.add(
        () => {
          clearTimeout(timer);
          resolve(release);
          return held;
        },
        { signal: timeout.signal },
      );
      turn.catch(() => resolve(undefined));
    });
  }
}
