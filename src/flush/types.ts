import type { Buffers } from "../buffer/types.ts";
import type { CommitResult, FlushPart } from "../lake/types.ts";

/** What flushes need of the lake. */
export interface FlushLake {
  watermarks(): Promise<ReadonlyMap<string, number>>;
  commitFlush(parts: readonly FlushPart[]): Promise<CommitResult>;
}

/** What flushes and the sweeper need of the buffers. */
export type FlushBuffers = Pick<
  Buffers,
  "hasBuffer" | "seal" | "sealed" | "compact" | "remove" | "setDamagedAside" | "views"
>;
