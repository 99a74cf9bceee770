import type { TableShape } from "../base/table.ts";
import { messageOf } from "../errors.ts";
import type { Lane } from "./admission.ts";
import type { Log } from "./log.ts";
import type { Update, WorkerSettings } from "./messages.ts";
import { WorkerLink } from "./worker-link.ts";

/** A worker that stopped by itself is started again after this, doubled each time until it is ready. */
const RESTART_FIRST_MS = 100;
const RESTART_LAST_MS = 10_000;

export interface WorkerSlotOptions {
  readonly log: Log;
  settings(): WorkerSettings;
  /** Buffers that the worker must know from its start. */
  ensured(): ReadonlyArray<{ readonly shape: TableShape; readonly watermark: number }>;
  onUpdate(update: Update): void;
}

/** Keeps one worker thread alive: when it dies, its calls are refused and another takes its folders over. */
export class WorkerSlot {
  readonly #options: WorkerSlotOptions;
  #link: WorkerLink;
  #lane: Lane = { inFlightBytes: 0 };
  #stagedBytes = 0;
  #delayMs = RESTART_FIRST_MS;
  #isStarted = false;
  #isClosing = false;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: WorkerSlotOptions) {
    this.#options = options;
    this.#link = this.#spawn();
  }

  /** The present thread; streams keep the one that they were opened on. */
  get link(): WorkerLink {
    return this.#link;
  }

  get lane(): Lane {
    return this.#lane;
  }

  get stagedBytes(): number {
    return this.#stagedBytes;
  }

  async start(): Promise<void> {
    await this.#link.ready;
    this.#isStarted = true;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restart);
    await this.#link.call("close", {}).catch((error) => {
      this.#options.log.warn(
        { error: messageOf(error) },
        "closing a buffer worker failed; its files are recovered at the next start",
      );
    });
    await this.#link.terminate();
  }

  /** Without closing anything. */
  async terminate(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restart);
    await this.#link.terminate();
  }

  #spawn(): WorkerLink {
    this.#lane = { inFlightBytes: 0 };
    const link = new WorkerLink(
      this.#options.settings(),
      (update) => {
        this.#stagedBytes = update.stagedBytes;
        if (update.isReady) this.#delayMs = RESTART_FIRST_MS;
        for (const { level, fields, message } of update.logs) this.#options.log[level](fields, message);
        this.#options.onUpdate(update);
      },
      (error) => this.#onExit(error),
    );
    return link;
  }

  #onExit(error: unknown): void {
    this.#stagedBytes = 0;
    if (this.#isClosing || !this.#isStarted) return;
    this.#options.log.error(
      { error: messageOf(error ?? "no reason given") },
      "a buffer worker stopped; it is started again",
    );
    this.#restart = setTimeout(() => this.#startAgain(), this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, RESTART_LAST_MS);
  }

  #startAgain(): void {
    this.#link = this.#spawn();
    // In front of all other calls; they are answered once the thread has recovered its folders.
    for (const { shape, watermark } of this.#options.ensured()) {
      const { target, id, columns, primaryKey } = shape;
      this.#link.call("ensure", { shape: { target, id, columns, primaryKey }, watermark }).catch((error) => {
        this.#options.log.error({ error: messageOf(error) }, "a buffer could not be made ready again");
      });
    }
  }
}
