export type Ack<T> = { readonly end: false; readonly value: T } | { readonly end: true };

interface Entry<T> {
  readonly bytes: number;
  /** Undefined for the entry that ends the queue. */
  readonly work: Promise<T> | undefined;
}

/**
 * Work that runs side by side and is answered in the order in which it began: one side starts, held back while too much
 * is under way, the other takes the results. What has been taken no longer counts.
 */
export class AckQueue<T> {
  readonly #limitCount: number;
  readonly #limitBytes: number;
  readonly #entries: Entry<T>[] = [];
  #bytes = 0;
  #stopped = false;
  #wakeStarter: (() => void) | undefined;
  #wakeTaker: (() => void) | undefined;

  /** One entry is let in whatever its size. */
  constructor(limitCount: number, limitBytes: number) {
    this.#limitCount = limitCount;
    this.#limitBytes = limitBytes;
  }

  /** Waits for room, then starts the work. Resolves to false, without starting, once the queue has been stopped. */
  async start(bytes: number, work: () => Promise<T>): Promise<boolean> {
    while (!this.#stopped && this.#isFull(bytes)) {
      await new Promise<void>((resolve) => {
        this.#wakeStarter = resolve;
      });
    }
    if (this.#stopped) return false;
    this.#push({ bytes, work: work() });
    return true;
  }

  /** No more will be started. */
  end(): void {
    this.#push({ bytes: 0, work: undefined });
  }

  /** The starting side failed: told after the results of what it started. */
  fail(error: unknown): void {
    this.#push({ bytes: 0, work: Promise.reject(error) });
  }

  /** The next result; rejects as its work does. One call at a time. */
  async next(): Promise<Ack<T>> {
    while (!this.#entries[0]) {
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve;
      });
    }
    const [entry] = this.#entries;
    if (!entry.work) return { end: true };
    const value = await entry.work;
    this.#entries.shift();
    this.#bytes -= entry.bytes;
    this.#wakeStarter?.();
    return { end: false, value };
  }

  /** Starts nothing more, and resolves when what was started has settled. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wakeStarter?.();
    await Promise.allSettled(this.#entries.map((entry) => entry.work));
  }

  #isFull(bytes: number): boolean {
    if (this.#entries.length === 0) return false;
    return this.#entries.length >= this.#limitCount || this.#bytes + bytes > this.#limitBytes;
  }

  #push(entry: Entry<T>): void {
    // Whoever takes it hears of a failure; work behind a failed one is never taken.
    entry.work?.catch(() => undefined);
    this.#bytes += entry.bytes;
    this.#entries.push(entry);
    this.#wakeTaker?.();
  }
}
