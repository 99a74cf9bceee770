import type { Principal } from "../access/principal.ts";
import type { Database } from "../duck/database.ts";
import type { EiderError } from "../errors.ts";
import type { IngestServices } from "../ingest/services.ts";
import type { ComputeAhead } from "../query/compute-ahead.ts";
import type { OpenTransactions } from "../query/open-transactions.ts";
import type { NameDefaults } from "../query/own-statement.ts";
import type { StreamEnd } from "../query/result-stream.ts";
import type { SpoolSpace } from "../query/spool-space.ts";

import type { StatementReader } from "./guard.ts";

/** A statement that runs, for those who list and cancel them. */
export interface StatementRun {
  /** Chosen by the client; a random one without it. */
  readonly id?: string;
  readonly sql: string;
  readonly via: "flight" | "http";
  readonly principal: Principal;
  readonly cancel: () => void;
}

/** Who wants to know of each statement. */
export interface QueryObserver {
  /** Called when a statement starts; the returned function when its last row is fetched, or it failed. */
  started(run: StatementRun): (end: StreamEnd, error?: EiderError) => void;
}

/** What a client's session needs; made by the composition root. */
export interface SessionServices extends IngestServices {
  readonly names: NameDefaults;
  readonly queries: QueryObserver;
  /** An in-memory instance in which DDL is read by DuckDB itself. */
  readonly scratch: Database;
  /** Set when authentication is on: what statements do is then looked at before they run. */
  readonly reader?: StatementReader | undefined;
  /** False when there is no housekeeping task of that number. */
  readonly cancelTask: (id: number) => boolean;
  readonly transactions: OpenTransactions;
  /** For results that wait for their reader. */
  readonly spool: SpoolSpace;
  readonly ahead: ComputeAhead;
}
