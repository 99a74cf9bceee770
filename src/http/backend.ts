import type { Principal } from "../access/principal.ts";
import type { Consistency } from "../base/consistency.ts";

/** What the HTTP layer needs from the system behind it for queries. Errors are EiderErrors; their code decides the status. */

export interface QueryRequest {
  /** Names the query while it runs. */
  readonly id: string;
  readonly principal: Principal;
  readonly sql: string;
  /** Undefined: all rows. */
  readonly limit: number | undefined;
  readonly offset: number;
  readonly format: "json" | "ndjson" | "csv" | "arrow" | "parquet";
  /** `strong`: first commits rows that wait for tables that the query names. A query has no session, hence no own rows. */
  readonly consistency: Consistency;
}

export interface QueryBackend {
  /**
   * The result's bytes, computed while they are read. Rejects where the statement is refused or fails, also after the
   * first bytes. Whoever stops reading ends the query. It also ends when `stop` aborts, and rejects with its reason;
   * `cancel` aborts it.
   */
  run(request: QueryRequest, stop: AbortController): AsyncGenerator<Uint8Array>;
  /** Whether a statement of this id runs. */
  has(id: string): boolean;
  /** Cancels a running statement, of HTTP or Flight; false when there is none of this id that the caller may cancel. */
  cancel(id: string, principal: Principal): boolean;
}
