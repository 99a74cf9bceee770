/**
 * Owner of disposables: closes what was added in reverse order, once, and goes on when one of them fails.
 * Node 20 has no AsyncDisposableStack.
 */
export class Scope implements AsyncDisposable {
  readonly #releases: Array<() => unknown> = [];
  #closing: Promise<void> | undefined;

  /** Takes ownership of `resource` and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() => (Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose]()));
    return resource;
  }

  defer(release: () => unknown): void {
    this.#releases.push(release);
  }

  /** Rejects with an AggregateError when one or more releases failed; all of them have run by then. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const errors: unknown[] = [];
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, "closing failed");
  }
}
