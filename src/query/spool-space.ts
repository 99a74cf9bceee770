import { LimitError } from "../errors.ts";

export interface SpoolLimits {
  /** Folder of the files, which have no names while they are open. */
  readonly folder: string;
  /** Of all results together. */
  readonly memoryLimitBytes: number;
  readonly diskLimitBytes: number;
}

/** One result must not take all of the memory. */
const MEMORY_SHARE = 4;

/** What results that wait for their readers may take of memory and disk, all together. */
export class SpoolSpace {
  readonly folder: string;
  readonly #limits: SpoolLimits;
  #memoryBytes = 0;
  #diskBytes = 0;

  constructor(limits: SpoolLimits) {
    this.folder = limits.folder;
    this.#limits = limits;
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** True, and taken, when it fits; `heldBytes` is what the same result has taken before. */
  tryTakeMemory(bytes: number, heldBytes: number): boolean {
    const { memoryLimitBytes } = this.#limits;
    if (heldBytes + bytes > memoryLimitBytes / MEMORY_SHARE) return false;
    if (this.#memoryBytes + bytes > memoryLimitBytes) return false;
    this.#memoryBytes += bytes;
    return true;
  }

  /** Throws `limit_exceeded`. */
  takeDisk(bytes: number): void {
    const { diskLimitBytes } = this.#limits;
    if (this.#diskBytes + bytes > diskLimitBytes) {
      throw new LimitError(
        "limit_exceeded",
        "spool_disk_limit_bytes",
        `results that wait to be read take ${this.#diskBytes} bytes on disk, as many as spool_disk_limit_bytes ` +
          `(${diskLimitBytes}) allows: read a result to its end, or close it, before the session's next statement`,
      );
    }
    this.#diskBytes += bytes;
  }

  giveBack(memoryBytes: number, diskBytes: number): void {
    this.#memoryBytes -= memoryBytes;
    this.#diskBytes -= diskBytes;
  }
}
