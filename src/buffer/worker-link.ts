import { Worker } from "node:worker_threads";
import { EiderError, messageOf } from "../errors.ts";
import type { CallKind, Calls, Request, RequestOf, Update, WorkerSettings } from "./messages.ts";

/** What nobody waits for goes along with the next call, or alone after this time: a message costs more than a row. */
const LATER_MS = 20;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: EiderError): void;
}

/** The main thread's end of one buffer worker: calls with replies, and its updates. Lives as long as the thread. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<Update>;
  readonly #exited: Promise<void>;
  #nextId = 1;
  #outgoing: Request[] = [];
  #transfer: ArrayBuffer[] = [];
  #isSending = false;
  #later: NodeJS.Timeout | undefined;
  #isDead = false;
  #lastError: unknown;

  /** `onUpdate` hears every update before its replies are settled; `onExit` is told once, after all calls were refused. */
  constructor(settings: WorkerSettings, onUpdate: (update: Update) => void, onExit: (error: unknown) => void) {
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: settings });
    this.#ready = new Promise((resolve, reject) => {
      this.#worker.on("message", (update: Update) => {
        onUpdate(update);
        if (update.isReady) resolve(update);
        if (update.failed) reject(new EiderError(update.failed.code, update.failed.message));
        for (const reply of update.replies) {
          const waiting = this.#waiting.get(reply.id);
          this.#waiting.delete(reply.id);
          if (reply.error) waiting?.reject(new EiderError(reply.error.code, reply.error.message));
          else waiting?.resolve(reply.result);
        }
      });
      this.#worker.on("error", (error) => {
        this.#lastError = error;
      });
      this.#worker.once("exit", () => reject(this.#deathError()));
    });
    // Whoever opens the store awaits it; a worker that is started anew has nobody who does.
    this.#ready.catch(() => {});
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#isDead = true;
        clearTimeout(this.#later);
        for (const waiting of this.#waiting.values()) waiting.reject(this.#deathError());
        this.#waiting.clear();
        resolve();
        onExit(this.#lastError);
      });
    });
  }

  /** Resolves when recovery is done; rejects with the reason why it cannot be. */
  get ready(): Promise<Update> {
    return this.#ready;
  }

  call<K extends CallKind>(
    kind: K,
    args: Calls[K]["args"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Calls[K]["result"]> {
    const done = this.#enqueue(kind, args, transfer);
    if (!this.#isSending && !this.#isDead) {
      this.#isSending = true;
      queueMicrotask(() => this.#send());
    }
    return done;
  }

  /** After the calls before it and before those behind it, like `call`, but in no hurry. */
  callLater<K extends CallKind>(kind: K, args: Calls[K]["args"]): Promise<Calls[K]["result"]> {
    const done = this.#enqueue(kind, args, []);
    if (!this.#isDead) this.#later ??= setTimeout(() => this.#send(), LATER_MS);
    return done;
  }

  #enqueue<K extends CallKind>(
    kind: K,
    args: Calls[K]["args"],
    transfer: readonly ArrayBuffer[],
  ): Promise<Calls[K]["result"]> {
    if (this.#isDead) return Promise.reject(this.#deathError());
    const id = this.#nextId++;
    const request: RequestOf<K> = { id, kind, args };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#outgoing.push(request as unknown as Request);
      this.#transfer.push(...transfer);
    });
  }

  /** Ends the thread; what it had acknowledged is in its files. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
    await this.#exited;
  }

  /** One message for all calls of a turn. */
  #send(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#isSending = false;
    const [requests, transfer] = [this.#outgoing, this.#transfer];
    [this.#outgoing, this.#transfer] = [[], []];
    try {
      this.#worker.postMessage(requests, transfer);
    } catch (error) {
      const refusal = new EiderError(
        "internal",
        `the batch could not be handed to a buffer worker: ${messageOf(error)}`,
      );
      for (const { id } of requests) {
        this.#waiting.get(id)?.reject(refusal);
        this.#waiting.delete(id);
      }
    }
  }

  #deathError(): EiderError {
    const cause = this.#lastError === undefined ? "" : `: ${messageOf(this.#lastError)}`;
    return new EiderError(
      "buffer_unavailable",
      `the buffer worker stopped${cause}; it is started again, send again with the same token`,
    );
  }
}
