import type { Log } from "./log.ts";
import type { BufferNumbers, PlainError, Reply, Update } from "./messages.ts";
import type { QuarantinedSegment } from "./quarantine.ts";
import type { TableBuffer } from "./table-buffer.ts";
import type { SealedSegment } from "./types.ts";

/** Gathers what a worker has to say and posts it once per turn of its event loop: a message per reply costs more than a row. */
export class Outbox {
  readonly #post: (update: Update) => void;
  readonly #stagedBytes: () => number;
  readonly #changed = new Set<TableBuffer>();
  #replies: Reply[] = [];
  #sealed: SealedSegment[] = [];
  #logs: Update["logs"][number][] = [];
  #quarantined: QuarantinedSegment[] = [];
  #isReady = false;
  #failed: Update["failed"];
  #isScheduled = false;

  constructor(post: (update: Update) => void, stagedBytes: () => number) {
    this.#post = post;
    this.#stagedBytes = stagedBytes;
  }

  readonly log: Log = {
    info: (fields, message) => this.#say("info", fields, message),
    warn: (fields, message) => this.#say("warn", fields, message),
    error: (fields, message) => this.#say("error", fields, message),
  };

  reply(reply: Reply): void {
    this.#replies.push(reply);
    this.#schedule();
  }

  sealed(segment: SealedSegment): void {
    this.#sealed.push(segment);
    this.#schedule();
  }

  changed(buffer: TableBuffer): void {
    this.#changed.add(buffer);
    this.#schedule();
  }

  quarantined(report: QuarantinedSegment): void {
    this.#quarantined.push(report);
    this.#schedule();
  }

  ready(): void {
    this.#isReady = true;
    this.flush();
  }

  failed(error: PlainError): void {
    this.#failed = error;
    this.flush();
  }

  flush(): void {
    this.#isScheduled = false;
    const numbers: BufferNumbers[] = [];
    for (const buffer of this.#changed) numbers.push(buffer.numbers);
    this.#changed.clear();
    const [replies, sealed, logs] = [this.#replies, this.#sealed, this.#logs];
    [this.#replies, this.#sealed, this.#logs] = [[], [], []];
    const [quarantined, isReady] = [this.#quarantined, this.#isReady];
    [this.#quarantined, this.#isReady] = [[], false];
    const stagedBytes = this.#stagedBytes();
    this.#post({ logs, numbers, stagedBytes, sealed, quarantined, isReady, failed: this.#failed, replies });
  }

  #say(level: "info" | "warn" | "error", fields: object, message: string): void {
    this.#logs.push({ level, fields, message });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.flush());
  }
}
