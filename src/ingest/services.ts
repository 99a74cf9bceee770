import type { Buffers } from "../buffer/types.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { Lake } from "../lake/lake.ts";
import type { IngestObserver } from "./observer.ts";

/** What writing needs; made by the composition root. */
export interface IngestServices {
  readonly lake: Lake;
  readonly buffers: Buffers;
  readonly flusher: Flusher;
  readonly observer: IngestObserver;
  readonly autoCreateTables: boolean;
}
