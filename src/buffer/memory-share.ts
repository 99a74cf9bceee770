/** So many open segments have the whole of `buffer_memory_mb`; when there are more, they share what these would take. */
const WHOLE_SEGMENTS = 32;

/**
 * What each of a worker's open segments may take. A hundred tables that fill up at once would otherwise take a hundred
 * times `buffer_memory_mb`; beyond its share a segment spills to disk. A layout may need more than a share (see `RowLayout.memoryMb()`).
 */
export class MemoryShare {
  readonly #greatestMb: number;
  readonly #totalMb: number;
  readonly #onShrunk: () => void;
  #segments = 0;

  /** `workers`: of the process, which have an equal part each. `onShrunk`: segments that are open have to give memory back. */
  constructor(greatestMb: number, workers: number, onShrunk: () => void) {
    this.#greatestMb = greatestMb;
    this.#totalMb = Math.ceil((WHOLE_SEGMENTS * greatestMb) / workers);
    this.#onShrunk = onShrunk;
  }

  /** Whole MB, at least 1. */
  get mb(): number {
    const equal = Math.floor(this.#totalMb / Math.max(1, this.#segments));
    return Math.max(1, Math.min(this.#greatestMb, equal));
  }

  /** Whether another segment would have less than the whole. */
  get isTight(): boolean {
    return this.#totalMb < this.#greatestMb * (this.#segments + 1);
  }

  enter(): void {
    const before = this.mb;
    this.#segments++;
    if (this.mb < before) this.#onShrunk();
  }

  leave(): void {
    this.#segments--;
  }
}
