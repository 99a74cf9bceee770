import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** As much asks for a collection of the young generation, and as much for a full one. */
const MINOR_BYTES = 32e6;
const FULL_BYTES = 128e6;

type Collect = (options: { readonly type: "minor" | "major" }) => void;

let collect: Collect | undefined;
let sinceMinorBytes = 0;
let sinceFullBytes = 0;

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
  const isFull = sinceFullBytes >= FULL_BYTES;
  if (isFull) sinceFullBytes = 0;
  // Not before those who have let go have returned.
  setImmediate(() => {
    collect ??= exposeCollect();
    collect({ type: isFull ? "major" : "minor" });
  });
}

/** https://nodejs.org/docs/latest-v20.x/api/cli.html#--expose-gc; set this late, it shows in new contexts only. */
function exposeCollect(): Collect {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collect;
}
