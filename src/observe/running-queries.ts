import { randomUUID } from "node:crypto";
import { holds, type Principal } from "../access/principal.ts";
import { maskSecrets } from "../base/secrets.ts";
import { wellFormed } from "../base/well-formed.ts";
import { type Metrics, observeMs } from "./metrics.ts";

/** A statement that runs, as whoever runs it tells of it. */
export interface Statement {
  /** Chosen by the client; a random one without it. */
  readonly id?: string;
  readonly sql: string;
  readonly via: "flight" | "http";
  readonly principal: Principal;
  readonly cancel: () => void;
}

export interface RunningQuery {
  readonly id: string;
  /** Passwords masked; cut off after SQL_LIMIT characters. */
  readonly sql: string;
  readonly via: "flight" | "http";
  readonly user: string;
  /** Unix time. */
  readonly startedMs: number;
}

export interface EndedQuery extends RunningQuery {
  readonly durationMs: number;
  readonly result: string;
  readonly error: string | undefined;
}

export type QueryEnd = "ok" | "error" | "cancelled";

const SQL_LIMIT = 2000;
const RECENT_LIMIT = 100;

/** Statements that run, so that they can be listed and cancelled, and how the last ones ended. */
export class RunningQueries {
  readonly #metrics: Metrics;
  readonly #nowMs: () => number;
  readonly #running = new Map<string, { readonly query: RunningQuery; readonly statement: Statement }>();
  readonly #recent: EndedQuery[] = [];

  constructor(metrics: Metrics, nowMs: () => number) {
    this.#metrics = metrics;
    this.#nowMs = nowMs;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Oldest first. */
  get running(): readonly RunningQuery[] {
    return [...this.#running.values()].map(({ query }) => query);
  }

  /** The last 100 that ended, oldest first. */
  get recent(): readonly EndedQuery[] {
    return this.#recent;
  }

  has(id: string): boolean {
    return this.#running.has(id);
  }

  /** False when there is no statement of this id that the caller may cancel: its own, or, with the role admin, anybody's. */
  cancel(id: string, caller: Principal): boolean {
    const statement = this.#running.get(id)?.statement;
    if (!statement || !mayCancel(caller, statement.principal)) return false;
    statement.cancel();
    return true;
  }

  /** A statement starts; the returned function is called when it ends, and counts once. */
  started(statement: Statement): (end: QueryEnd, error?: QueryError) => void {
    const { id = randomUUID(), sql, via, principal } = statement;
    const text = maskSecrets(wellFormed(sql.length > SQL_LIMIT ? `${sql.slice(0, SQL_LIMIT)}…` : sql));
    const query: RunningQuery = { id, sql: text, via, user: principal.name, startedMs: this.#nowMs() };
    const startedMs = performance.now();
    const entry = { query, statement };
    this.#running.set(id, entry);
    return (end, error) => {
      if (this.#running.get(id) !== entry) return;
      this.#running.delete(id);
      const result = end === "error" && error ? error.code : end;
      const durationMs = performance.now() - startedMs;
      this.#metrics.queries.inc({ result });
      observeMs(this.#metrics.queryDuration, durationMs);
      this.#recent.push({ ...query, durationMs, result, error: error && maskSecrets(wellFormed(error.message)) });
      if (this.#recent.length > RECENT_LIMIT) this.#recent.shift();
    };
  }
}

function mayCancel(caller: Principal, owner: Principal): boolean {
  return !caller.grants || caller.key === owner.key || holds(caller.grants, "admin");
}

interface QueryError {
  readonly code: string;
  readonly message: string;
}
