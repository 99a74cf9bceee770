import type { Principal } from "../access/principal.ts";
import type { ResultTypeOptions } from "../arrow/types.ts";
import type { Consistency } from "../base/consistency.ts";
import type { SqlSession } from "../query/sql-session.ts";
import type { Token } from "../query/tokens.ts";
import type { SessionServices } from "./services.ts";

/** One session as its statements see it. */
export interface SessionContext {
  readonly id: string;
  /** Whose session it is. */
  readonly principal: Principal;
  readonly services: SessionServices;
  readonly sql: SqlSession;
  /** How the client wants its results' types. */
  readonly resultTypes: ResultTypeOptions;
  consistency: Consistency;
  /** Waits until what waits for the tables that a statement reads is in the lake. */
  waitForReads(tokens: readonly Token[]): Promise<void>;
  /** After PREPARE. */
  forgetDefinitions(): void;
  /** To be called when a statement may have changed the current schema. */
  forgetSchema(): void;
}
