import { totalmem } from "node:os";

/** What this process may use at most: the machine's memory, or its container's. */
export function machineMemoryBytes(): number {
  const limit = process.constrainedMemory();
  // 0, or beyond all bounds, where there is no container.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
