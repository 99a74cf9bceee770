import { targetName } from "../base/target.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../lake/types.ts";
import type { Clock } from "./clock.ts";
import type { Flusher } from "./flusher.ts";
import { dueReason, type FlushLimits } from "./triggers.ts";
import type { FlushBuffers } from "./types.ts";

export interface SweeperOptions {
  readonly buffers: FlushBuffers;
  readonly flusher: Flusher;
  readonly limits: FlushLimits;
  /** Whether appends wait for room on disk now. */
  readonly isDiskFull?: () => boolean;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks at all buffers every `intervalMs`, seals those that a trigger names, and has what is sealed flushed. */
export class Sweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  #cancelTimer: () => void = () => {};
  #sweeping: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, intervalMs } = this.#options;
    this.#cancelTimer = clock.after(intervalMs, () => {
      this.#sweeping = this.sweep().finally(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  /** One look at all buffers; resolves when what is due has been sealed. Never rejects. */
  async sweep(): Promise<void> {
    const { buffers, flusher, clock, log, isDiskFull = () => false } = this.#options;
    const limits = { ...this.#options.limits, isDiskFull: isDiskFull() };
    const nowMs = clock.nowMs();
    await Promise.all(
      buffers.views().map(async (view) => {
        const isRetrying = flusher.failures(view.target).retryAtMs !== undefined;
        const reason = dueReason(view, nowMs, { ...limits, isRetrying });
        try {
          if (reason) await buffers.seal(view.target, reason);
          if (reason || view.sealedSegments > 0) flusher.enqueue(view.target);
        } catch (error) {
          log.warn({ table: targetName(view.target), reason, error: messageOf(error) }, "a buffer could not be sealed");
        }
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    await this.#sweeping;
  }
}
