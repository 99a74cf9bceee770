import type { Database } from "../duck/database.ts";
import type { IngestServices } from "../ingest/services.ts";
import type { NameDefaults } from "../query/own-statement.ts";
import type { StreamEnd } from "../query/result-stream.ts";

import type { StatementReader } from "./guard.ts";

/** What the metrics want to know of each query. */
export interface QueryObserver {
  /** Called when a statement starts; the returned function when its last row is fetched, or it failed. */
  started(): (end: StreamEnd) => void;
}

/** What a client's session needs; made by the composition root. */
export interface SessionServices extends IngestServices {
  readonly names: NameDefaults;
  readonly queries: QueryObserver;
  /** An in-memory instance in which DDL is read by DuckDB itself. */
  readonly scratch: Database;
  /** Set when authentication is on: what statements do is then looked at before they run. */
  readonly reader?: StatementReader | undefined;
  /** Folder of results that wait for their reader. */
  readonly spoolFolder: string;
}
