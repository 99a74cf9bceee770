import { type EiderError, LimitError } from "../errors.ts";

/** Bytes on their way to one worker and back as acknowledgements. */
export interface Lane {
  inFlightBytes: number;
}

interface Waiter {
  readonly key: string;
  readonly name: string;
  readonly lane: Lane;
  readonly bytes: number;
  readonly sinceMs: number;
  timer: NodeJS.Timeout | undefined;
  resolve(): void;
  reject(error: EiderError): void;
}

export interface AdmissionSettings {
  readonly diskLimitBytes: number;
  readonly fullWaitSeconds: number;
  /** Per worker. A single batch may be larger: it goes alone. */
  readonly maxInFlightBytes: number;
}

/**
 * Holds appends back, never flushes. Two limits: bytes in flight to a worker, and `buffer_disk_limit_bytes` over all
 * buffers. Once the disk limit is passed, only targets that hold more than their share wait (limit / number of targets
 * with sealed rows, at most half of it): a table whose flushes fail does not stop the others.
 */
export class Admission {
  readonly #settings: AdmissionSettings;
  readonly #held = new Map<string, { diskBytes: number; hasSealed: boolean }>();
  readonly #waiters = new Set<Waiter>();
  #heldBytes = 0;
  /** By target, as sent; `#stagedBytes` is what they take on disk. */
  readonly #staged = new Map<string, number>();
  #stagedBytes = 0;
  #sealedTargets = 0;
  #waitCount = 0;
  #waitedMs = 0;
  #closed: EiderError | undefined;

  constructor(settings: AdmissionSettings) {
    this.#settings = settings;
  }

  get counters(): {
    readonly waiting: number;
    readonly waitingForDisk: number;
    readonly waits: number;
    readonly waitedMs: number;
  } {
    let waitingForDisk = 0;
    for (const waiter of this.#waiters) if (waiter.timer !== undefined) waitingForDisk += 1;
    return { waiting: this.#waiters.size, waitingForDisk, waits: this.#waitCount, waitedMs: this.#waitedMs };
  }

  /** What a target's files take on disk now. */
  update(key: string, diskBytes: number, hasSealed: boolean): void {
    const before = this.#held.get(key);
    this.#heldBytes += diskBytes - (before?.diskBytes ?? 0);
    this.#sealedTargets += Number(hasSealed) - Number(before?.hasSealed ?? false);
    this.#held.set(key, { diskBytes, hasSealed });
    this.#wake();
  }

  forget(key: string): void {
    this.update(key, 0, false);
    this.#held.delete(key);
  }

  setStagedBytes(bytes: number): void {
    const isLess = bytes < this.#stagedBytes;
    this.#stagedBytes = bytes;
    if (isLess) this.#wake();
  }

  /** Bytes that a target's staged streams have written, or (negative) no longer need: they count as the target's own. */
  stage(key: string, bytes: number): void {
    this.#staged.set(key, (this.#staged.get(key) ?? 0) + bytes);
    if (this.#staged.get(key) === 0) this.#staged.delete(key);
    if (bytes < 0) this.#wake();
  }

  /** True, and entered, when nothing holds these bytes back. */
  tryEnter(key: string, lane: Lane, bytes: number): boolean {
    if (this.#closed || this.#isDiskFull(key) || !this.#fits(lane, bytes)) return false;
    lane.inFlightBytes += bytes;
    return true;
  }

  /** `name` is what the error calls the target. Rejects with buffer_full after `fullWaitSeconds` without room on disk. */
  enter(key: string, name: string, lane: Lane, bytes: number): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (this.tryEnter(key, lane, bytes)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { key, name, lane, bytes, sinceMs: performance.now(), timer: undefined, resolve, reject };
      this.#waiters.add(waiter);
      if (this.#isDiskFull(key)) this.#startTimer(waiter);
    });
  }

  leave(lane: Lane, bytes: number): void {
    lane.inFlightBytes -= bytes;
    this.#wake();
  }

  /** Refuses those who wait and all who come. */
  close(error: EiderError): void {
    this.#closed = error;
    for (const waiter of [...this.#waiters]) this.#settle(waiter, error);
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      const { key, lane, bytes } = waiter;
      if (this.#isDiskFull(key)) this.#startTimer(waiter);
      else if (this.tryEnter(key, lane, bytes)) this.#settle(waiter, undefined);
    }
  }

  #settle(waiter: Waiter, error: EiderError | undefined): void {
    this.#waiters.delete(waiter);
    clearTimeout(waiter.timer);
    this.#waitCount += 1;
    this.#waitedMs += performance.now() - waiter.sinceMs;
    if (error) waiter.reject(error);
    else waiter.resolve();
  }

  /** Only a full disk limit is waited for by the clock; a worker's lane empties by itself. */
  #startTimer(waiter: Waiter): void {
    const { fullWaitSeconds } = this.#settings;
    waiter.timer ??= setTimeout(() => {
      waiter.timer = undefined;
      if (this.#isDiskFull(waiter.key)) this.#settle(waiter, this.#fullError(waiter, fullWaitSeconds));
      else this.#wake();
    }, fullWaitSeconds * 1000);
  }

  #fullError(waiter: Waiter, waitedSeconds: number): EiderError {
    const own = this.#ownBytes(waiter.key);
    return new LimitError(
      "buffer_full",
      "buffer_disk_limit_bytes",
      `the buffers hold ${this.#heldBytes + this.#stagedBytes} bytes on disk, over buffer_disk_limit_bytes (${this.#settings.diskLimitBytes}), ` +
        `${own} of them for ${waiter.name}; waited ${waitedSeconds} s for room. Try again later; if it stays, see why flushes of ` +
        `${waiter.name} fail or are slow (eider_flushes()), or raise buffer_disk_limit_bytes`,
    );
  }

  #ownBytes(key: string): number {
    return (this.#held.get(key)?.diskBytes ?? 0) + (this.#staged.get(key) ?? 0);
  }

  #isDiskFull(key: string): boolean {
    const { diskLimitBytes } = this.#settings;
    if (this.#heldBytes + this.#stagedBytes <= diskLimitBytes) return false;
    return this.#ownBytes(key) > diskLimitBytes / Math.max(2, this.#sealedTargets);
  }

  #fits(lane: Lane, bytes: number): boolean {
    return lane.inFlightBytes === 0 || lane.inFlightBytes + bytes <= this.#settings.maxInFlightBytes;
  }
}
