import { must } from "../base/assert.ts";
import type { TableShape } from "../base/table.ts";
import type { Target } from "../base/target.ts";
import { EiderError } from "../errors.ts";
import type { Admission, Lane } from "./admission.ts";
import { bytesOfMessage, transferable } from "./transfer.ts";
import type { AppendOptions, AppendResult, AppendStream, ArrowMessage, StageStream } from "./types.ts";
import type { WorkerLink } from "./worker-link.ts";

/** A worker as streams see it: they stay with the thread that they were opened on. */
export interface StreamHost {
  readonly link: WorkerLink;
  readonly lane: Lane;
  readonly admission: Admission;
}

/** Whom a stream writes for. */
export interface StreamOwner {
  /** The target's key and name; empty and "a staged stream" for a stage without one. */
  readonly key: string;
  readonly name: string;
  /** Hears the highest seq that the stream's session was acknowledged. */
  acknowledged(seq: number): void;
}

/** Lets one stream's messages in, in order, while the limits allow; `send` posts before it returns. */
class Gate {
  readonly #host: StreamHost;
  readonly #owner: StreamOwner;
  #waiting = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(host: StreamHost, owner: StreamOwner) {
    this.#host = host;
    this.#owner = owner;
  }

  /** Resolves, once the message is on its way, to what `send` returned, wrapped so that it is not awaited here. */
  async pass<T>(bytes: number, send: () => Promise<T>): Promise<{ sent: Promise<T> }> {
    const { admission, lane } = this.#host;
    const { key, name } = this.#owner;
    const post = () => {
      const sent = send().finally(() => admission.leave(lane, bytes));
      // Whoever gets it handles it, some later than others.
      sent.catch(() => {});
      return { sent };
    };
    if (this.#waiting === 0 && admission.tryEnter(key, lane, bytes)) return post();
    this.#waiting += 1;
    const turn = this.#tail.then(async () => {
      try {
        await admission.enter(key, name, lane, bytes);
        return post();
      } finally {
        this.#waiting -= 1;
      }
    });
    this.#tail = turn.catch(() => {});
    return turn;
  }
}

/** What the worker must know before a stream's first batch. */
export interface StreamOpening {
  readonly target: Target;
  readonly schema: Uint8Array;
}

/** The worker hears of the stream with its first batch, so that a stream of one batch is one message. */
export class BufferAppendStream implements AppendStream {
  readonly #id: number;
  readonly #opening: StreamOpening;
  readonly #owner: StreamOwner;
  readonly #link: WorkerLink;
  readonly #gate: Gate;
  readonly #pending = new Set<Promise<unknown>>();
  #isOpen = false;

  constructor(id: number, opening: StreamOpening, owner: StreamOwner, host: StreamHost) {
    this.#id = id;
    this.#opening = opening;
    this.#owner = owner;
    this.#link = host.link;
    this.#gate = new Gate(host, owner);
  }

  async append(message: ArrowMessage, options: AppendOptions): Promise<AppendResult | undefined> {
    const passed = this.#gate.pass(bytesOfMessage(message), () => {
      this.#open();
      const { message: moved, transfer } = transferable(message);
      return this.#link.call("append", { stream: this.#id, message: moved, options }, transfer);
    });
    const done = passed.then(({ sent }) => sent);
    this.#pending.add(done);
    try {
      const result = await done;
      if (result && result.rows > 0) this.#owner.acknowledged(result.seq);
      return result;
    } finally {
      this.#pending.delete(done);
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    await Promise.allSettled(this.#pending);
    // The stream is gone with its worker, too.
    this.#link.callLater("closeStream", { stream: this.#id }).catch(() => {});
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    // A refusal is that of the batch behind it, too.
    this.#link.call("openStream", { stream: this.#id, ...this.#opening }).catch(() => {});
  }
}

/** Bytes of one staged stream that may be on their way before write() waits for the worker. */
const STAGE_AHEAD_BYTES = 16 * 1024 * 1024;

export interface StageOpening {
  readonly target: Target | undefined;
  readonly shape: TableShape | undefined;
  readonly schema: Uint8Array;
}

/**
 * A staged stream: while it is small its messages wait here, and publishing them is one message; beyond `memoryBytes` they
 * go to a file of the worker's.
 */
export class BufferStageStream implements StageStream {
  readonly #id: number;
  readonly #opening: StageOpening;
  readonly #memoryBytes: number;
  readonly #owner: StreamOwner;
  readonly #link: WorkerLink;
  readonly #gate: Gate;
  #held: ArrowMessage[] = [];
  #heldBytes = 0;
  readonly #countStaged: (bytes: number) => void;
  #stagedBytes = 0;
  /** The worker has a file for it. */
  #isInFile = false;
  #aheadBytes = 0;
  #failure: unknown;
  #last: Promise<unknown> = Promise.resolve();
  #isEnded = false;

  constructor(id: number, opening: StageOpening, memoryBytes: number, owner: StreamOwner, host: StreamHost) {
    this.#id = id;
    this.#opening = opening;
    this.#memoryBytes = memoryBytes;
    this.#owner = owner;
    this.#link = host.link;
    this.#gate = new Gate(host, owner);
    this.#countStaged = (bytes) => host.admission.stage(owner.key, bytes);
  }

  async write(message: ArrowMessage): Promise<void> {
    this.#requireUsable();
    if (this.#isInFile) return this.#send(message);
    this.#held.push(message);
    this.#heldBytes += bytesOfMessage(message);
    if (this.#heldBytes > this.#memoryBytes) await this.#spill();
  }

  settle(): void {
    if (this.#isInFile && !this.#isEnded) this.#link.call("settleStage", { stage: this.#id }).catch(() => {});
  }

  async publish(options: AppendOptions): Promise<AppendResult> {
    const result = await (this.#isInFile ? this.#publishFile(options) : this.#publishHeld(options));
    if (result.rows > 0) this.#owner.acknowledged(result.seq);
    // Nothing is left to discard; the worker forgets the stage.
    await this.discard();
    return result;
  }

  async toFile(): Promise<{ readonly path: string; readonly rows: number }> {
    this.#requireUsable();
    if (!this.#isInFile) await this.#spill();
    await this.#written();
    return this.#link.call("stageToFile", { stage: this.#id });
  }

  async discard(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#held = [];
    // A worker that died deletes what it staged when it starts again.
    if (this.#isInFile) await this.#link.call("discardStage", { stage: this.#id }).catch(() => {});
    this.#countStaged(-this.#stagedBytes);
  }

  async #publishFile(options: AppendOptions): Promise<AppendResult> {
    await this.#written();
    return this.#link.call("publishStage", { stage: this.#id, options });
  }

  async #publishHeld(options: AppendOptions): Promise<AppendResult> {
    this.#requireUsable();
    const { target, schema } = this.#opening;
    const { sent } = await this.#gate.pass(this.#heldBytes, () => {
      const moved = this.#held.map(transferable);
      this.#held = [];
      const messages = moved.map(({ message }) => message);
      const args = { target: must(target, "a stream without a target is not published"), schema, messages, options };
      return this.#link.call(
        "publishWhole",
        args,
        moved.flatMap(({ transfer }) => transfer),
      );
    });
    return sent;
  }

  async #spill(): Promise<void> {
    this.#isInFile = true;
    this.#link.call("openStage", { stage: this.#id, ...this.#opening }).catch((error) => {
      this.#failure ??= error;
    });
    const held = this.#held;
    this.#held = [];
    for (const message of held) await this.#send(message);
  }

  async #send(message: ArrowMessage): Promise<void> {
    const bytes = bytesOfMessage(message);
    this.#aheadBytes += bytes;
    const { sent } = await this.#gate.pass(bytes, () => {
      const { message: moved, transfer } = transferable(message);
      return this.#link.call("writeStage", { stage: this.#id, message: moved }, transfer);
    });
    if (!this.#isEnded) {
      this.#stagedBytes += bytes;
      this.#countStaged(bytes);
    }
    const settled = sent.then(
      () => {
        this.#aheadBytes -= bytes;
      },
      (error) => {
        this.#aheadBytes -= bytes;
        this.#failure ??= error;
      },
    );
    this.#last = settled;
    if (this.#aheadBytes > STAGE_AHEAD_BYTES) await settled;
    this.#requireUsable();
  }

  async #written(): Promise<void> {
    await this.#last;
    this.#requireUsable();
  }

  #requireUsable(): void {
    if (this.#isEnded) throw new EiderError("request_invalid", "the staged stream has ended");
    if (this.#failure !== undefined) throw this.#failure;
  }
}
