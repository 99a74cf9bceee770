import type { ClientDuplexStream } from "@grpc/grpc-js";
import { Flight } from "../wire/messages.ts";

/** A DoPut call: messages out with back-pressure, results in as they come. Everything rejects once the call has failed. */
export class PutCall {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #ended: Promise<void>;
  /** Rejects when the call fails, never resolves. */
  readonly #failed: Promise<never>;
  #wake: () => void = () => undefined;

  constructor(call: ClientDuplexStream<Buffer, Buffer>, onResult: (metadata: Uint8Array) => void) {
    this.#call = call;
    this.#ended = new Promise((resolve, reject) => {
      call.on("error", reject);
      call.on("end", resolve);
      call.on("data", (bytes: Buffer) => {
        try {
          onResult(Flight.PutResult.decode(bytes).app_metadata ?? new Uint8Array(0));
        } catch (error) {
          reject(error);
        }
        this.#wake();
      });
    });
    this.#failed = new Promise((_resolve, reject) => {
      this.#ended.catch(reject);
    });
    this.#failed.catch(() => undefined);
  }

  async write(message: Buffer): Promise<void> {
    if (this.#call.write(message)) return;
    await this.race(new Promise<void>((resolve) => this.#call.once("drain", resolve)));
  }

  /** Resolves when the condition holds; it is looked at after each result. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await this.race(woken);
    }
  }

  /** What `work` resolves to, unless the call fails before. */
  async race<T>(work: Promise<T>): Promise<T> {
    // A call that has failed meanwhile must not leave it without a listener.
    work.catch(() => undefined);
    return await Promise.race([this.#failed, work]);
  }

  /** Half-closes; resolves when the server has answered everything. */
  async finish(): Promise<void> {
    this.#call.end();
    await this.#ended;
  }

  cancel(): void {
    this.#call.cancel();
  }
}
