/**
 * Staged streams of one worker that keep slices of rows in memory at a time: each takes a good part of `flush_memory_mb`, as
 * long as its client sends.
 */
export class ParquetSlots {
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** False: there is none left. One that was taken is given back. */
  take(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  giveBack(): void {
    this.#free += 1;
  }
}
