import type { Target } from "../base/target.ts";

export type IngestRoute = "put" | "ingest" | "insert";

/** What the metrics want to know of each write; the composition root connects it. */
export interface IngestObserver {
  /** Called once per batch (a path DoPut) or per request (ingest, INSERT), when its outcome is known. */
  wrote(
    target: Target,
    route: IngestRoute,
    result: "appended" | "duplicate" | "rejected",
    rows: number,
    bytes: number,
    acknowledgementMs: number,
  ): void;
}
