import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** As much asks for a collection of the young generation, about 1 ms. */
const MINOR_BYTES = 32e6;
/** As much asks for a full one, 20 ms and more with a large heap; not more often than this. */
const FULL_BYTES = 64e6;
const FULL_PAUSE_MS = 2000;

/** Node 20's takes any object for `{ type: "minor" }`. */
export type Collect = (options?: { readonly type: "minor" }) => void;

let collect: Collect | undefined;
let sinceMinorBytes = 0;
let sinceFullBytes = 0;
let fullAtMs = 0;

/**
 * Tells that a handle which holds up to `bytes` outside V8's heap, freed by nothing but the handle's garbage collection, is
 * about to be unreachable. V8 knows nothing of such memory: left to itself it collects when JavaScript's own objects have
 * grown, hundreds of MB of DuckDB's later. Collects once there is enough of it, in this thread.
 */
export function letGoOf(bytes: number): void {
  sinceMinorBytes += bytes;
  sinceFullBytes += bytes;
  if (sinceMinorBytes < MINOR_BYTES) return;
  sinceMinorBytes = 0;
  // Handles that lived for long have left the young generation.
  const isFull = sinceFullBytes >= FULL_BYTES && performance.now() - fullAtMs >= FULL_PAUSE_MS;
  if (isFull) {
    sinceFullBytes = 0;
    fullAtMs = performance.now();
  }
  // Not before those who have let go have returned.
  setImmediate(() => {
    collect ??= exposeCollector();
    if (isFull) collect();
    else collect({ type: "minor" });
  });
}

/** https://nodejs.org/docs/latest-v20.x/api/cli.html#--expose-gc; set this late, it shows in new contexts only. */
export function exposeCollector(): Collect {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collect;
}
