import type { Backend } from "./backend.ts";
import type { CallContext } from "./context.ts";
import type { LeaseTable } from "./lease.ts";
import type { Limits } from "./limits.ts";
import type { BoundStatement } from "./prepared.ts";
import type { SessionTable } from "./session.ts";
import type { Tickets } from "./ticket.ts";

/** What the server says of itself in GetSqlInfo. */
export interface ServerInfo {
  readonly name: string;
  /** For example `0.1.0 (duckdb v1.5.5)`. */
  readonly version: string;
  /** Version of the Arrow library. */
  readonly arrowVersion: string;
  readonly readOnly: boolean;
  /** 0: none. */
  readonly statementTimeoutMs: number;
}

/** What the handlers of commands and actions work with; one per server. */
export interface Services {
  readonly backend: Backend;
  readonly limits: Limits;
  readonly info: ServerInfo;
  readonly sessions: SessionTable;
  readonly tickets: Tickets;
  readonly statements: LeaseTable<BoundStatement>;
}

export interface Env {
  readonly context: CallContext;
  readonly services: Services;
}
