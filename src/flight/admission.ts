import { EiderError, LimitError } from "../errors.ts";
import type { Gate } from "./adapter.ts";
import type { CallContext } from "./context.ts";
import type { Limits } from "./limits.ts";
import type { Observer } from "./observer.ts";

/** Methods that hold a statement or a stream open for as long as the client takes. */
const STREAMS: ReadonlySet<string> = new Set(["DoGet", "DoPut"]);

/** Lets calls in, counts them, and waits for their end when the server drains. */
export class Admission implements Gate {
  readonly #limits: Limits;
  readonly #observer: Observer;
  readonly #calls = new Set<CallContext>();
  readonly #byMethod = new Map<string, number>();
  #streams = 0;
  #draining = false;
  #wake: (() => void) | undefined;

  constructor(limits: Limits, observer: Observer) {
    this.#limits = limits;
    this.#observer = observer;
  }

  get streams(): number {
    return this.#streams;
  }

  enter(context: CallContext): () => void {
    if (this.#draining) throw shuttingDown();
    const { method } = context;
    const isStream = STREAMS.has(method);
    const { maxStreamsInFlight } = this.#limits;
    if (isStream && this.#streams >= maxStreamsInFlight) {
      throw new LimitError(
        "limit_exceeded",
        "max_streams_in_flight",
        `there are ${this.#streams} DoGet and DoPut calls in flight, as many as max_streams_in_flight (${maxStreamsInFlight}) ` +
          "allows: try again when one has ended, or do less at a time",
      );
    }
    if (isStream) this.#streams++;
    this.#calls.add(context);
    this.#count(method, 1);
    return () => {
      if (isStream) this.#streams--;
      this.#calls.delete(context);
      this.#count(method, -1);
      if (this.#calls.size === 0) this.#wake?.();
    };
  }

  /** Refuses new calls from now on. Resolves when those in flight have ended; after `graceMs` they are aborted. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    if (this.#calls.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const timer = setTimeout(() => {
      for (const context of this.#calls) context.abort(shuttingDown());
    }, graceMs);
    await empty;
    clearTimeout(timer);
  }

  #count(method: string, change: number): void {
    const count = (this.#byMethod.get(method) ?? 0) + change;
    this.#byMethod.set(method, count);
    this.#observer.inFlight(method, count);
  }
}

function shuttingDown(): EiderError {
  return new EiderError("shutting_down", "the server is shutting down");
}
