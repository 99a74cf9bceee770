import type { Connection } from "./database.ts";

/** An interrupt that comes before DuckDB has begun the statement is lost, so it is repeated. */
const INTERRUPT_INTERVAL_MS = 50;

/** Stops what runs on these connections, as they are at each moment, until it is disposed of. */
export function keepInterrupting(connections: Iterable<Connection>): Disposable {
  const interrupt = () => {
    for (const connection of connections) connection.interrupt();
  };
  interrupt();
  const timer = setInterval(interrupt, INTERRUPT_INTERVAL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Stops what runs on the connection once the signal has aborted, until it is disposed of. */
export function interruptOn(signal: AbortSignal | undefined, connection: Connection): Disposable {
  let interrupting: Disposable | undefined;
  const begin = () => {
    interrupting = keepInterrupting([connection]);
  };
  if (signal?.aborted) begin();
  else signal?.addEventListener("abort", begin, { once: true });
  return {
    [Symbol.dispose]() {
      signal?.removeEventListener("abort", begin);
      interrupting?.[Symbol.dispose]();
    },
  };
}
