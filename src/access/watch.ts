import { stat } from "node:fs/promises";

const INTERVAL_MS = 1000;

/**
 * Calls `onChange` when one of the files has changed. By looking at them: the notices of file systems miss the swapped
 * links by which Kubernetes renews secrets, and network file systems.
 */
export class FileWatch implements Disposable {
  readonly #paths: readonly string[];
  readonly #onChange: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #seen: string;
  #isLooking = false;

  private constructor(paths: readonly string[], seen: string, onChange: () => Promise<void>) {
    this.#paths = paths;
    this.#seen = seen;
    this.#onChange = onChange;
    this.#timer = setInterval(() => void this.#look(), INTERVAL_MS).unref();
  }

  /** `onChange` must not reject; start before the files are first read, so that no change is missed. */
  static async start(paths: readonly string[], onChange: () => Promise<void>): Promise<FileWatch> {
    return new FileWatch(paths, await stateOf(paths), onChange);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const state = await stateOf(this.#paths);
      if (state === this.#seen) return;
      this.#seen = state;
      await this.#onChange();
    } finally {
      this.#isLooking = false;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(paths.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  return states.map((found) => (found ? `${found.ino}:${found.size}:${found.mtimeNs}` : "none")).join(" ");
}
