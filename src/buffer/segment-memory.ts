import type { MemoryShare } from "./memory-share.ts";
import type { RowLayout } from "./row-layout.ts";
import type { SegmentFile } from "./segment-file.ts";

export interface SegmentMemorySettings {
  /** While the segment takes appends. */
  readonly share: MemoryShare;
  /** Once it is sealed, and for a single batch that does not fit into its share. */
  readonly largeMemoryMb: number;
}

/** The `memory_limit` of one segment's instance: the segment's share, what its layout needs at least, and what a COMMIT has needed. */
export class SegmentMemory {
  /** Of its file; of one that a start has found it is not known, and does not matter. */
  readonly blockBytes: number | undefined;
  readonly #settings: SegmentMemorySettings;
  readonly #leastMb: number;
  /** For a batch that does not fit otherwise, however often the file is opened for it. */
  #isLarge = false;
  /** The instance's, in MB; 0: there is none. */
  #limitMb = 0;
  /** More than its share, since a COMMIT needed more: each that fails has the whole WAL read again. */
  #neededMb = 0;

  constructor(layout: RowLayout, settings: SegmentMemorySettings) {
    this.#settings = settings;
    this.blockBytes = layout.blockBytes(settings.share.isTight);
    this.#leastMb = layout.memoryMb(this.blockBytes);
  }

  get isLarge(): boolean {
    return this.#isLarge;
  }

  /** Whether the instance has more than its share, which has become smaller. */
  get exceedsShare(): boolean {
    return this.#limitMb > this.#shareMb;
  }

  /** An instance takes part in the share until `leave`; resolves to what `openWith` does, which gets its limit in MB. */
  async enter<T>(openWith: (memoryMb: number) => Promise<T>, isLarge = this.#isLarge): Promise<T> {
    const { share, largeMemoryMb } = this.#settings;
    share.enter();
    try {
      const limitMb = Math.max(isLarge ? largeMemoryMb : 0, this.#shareMb);
      const opened = await openWith(limitMb);
      this.#limitMb = limitMb;
      return opened;
    } catch (error) {
      share.leave();
      throw error;
    }
  }

  leave(): void {
    this.#limitMb = 0;
    this.#settings.share.leave();
  }

  /** A COMMIT has run out of memory: the next ones have twice as much. */
  needMore(): void {
    this.#neededMb = Math.min(2 * this.#limitMb, this.#settings.largeMemoryMb);
  }

  async grow(file: SegmentFile): Promise<void> {
    const largeMb = Math.max(this.#settings.largeMemoryMb, this.#leastMb);
    if (this.#limitMb !== largeMb) await this.#set(file, largeMb);
  }

  /** DuckDB may be unable to give back so much at once: then the limit stays until the share shrinks again. */
  async fitShare(file: SegmentFile | undefined): Promise<void> {
    if (file && this.exceedsShare) await this.#set(file, this.#shareMb).catch(() => {});
  }

  /** Runs `work` with the large limit, also where it opens the file; `file` is the one that is open, before and after. */
  async whileLarge<T>(file: () => SegmentFile | undefined, work: () => Promise<T>): Promise<T> {
    this.#isLarge = true;
    try {
      const before = file();
      if (before) await this.grow(before);
      return await work();
    } finally {
      this.#isLarge = false;
      await this.fitShare(file());
    }
  }

  get #shareMb(): number {
    return Math.max(this.#settings.share.mb, this.#leastMb, this.#neededMb);
  }

  async #set(file: SegmentFile, limitMb: number): Promise<void> {
    await file.setMemory(limitMb);
    this.#limitMb = limitMb;
  }
}
