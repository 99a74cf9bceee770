import type { Principal } from "../access/principal.ts";
import type { Consistency } from "../base/consistency.ts";
import type { PoolCounts } from "../base/pool-counts.ts";
import type { Connection } from "../duck/database.ts";
import { fromDuckError } from "../duck/errors.ts";
import { interruptOn } from "../duck/interrupt.ts";
import { EiderError } from "../errors.ts";
import { ConnectionPool } from "../query/connection-pool.ts";
import { requireRead } from "../query/read-only.ts";
import { RESULT_BODIES, type ResultFormat } from "../query/result-bodies.ts";
import { splitStatements, tokenize, withoutComments } from "../query/tokens.ts";
import { guardOf } from "./backend.ts";
import { ReadBarrier } from "./read-barrier.ts";
import type { SessionServices } from "./services.ts";
import { connect } from "./session.ts";

export interface ReadQueryOptions {
  readonly poolMax: number;
  readonly poolIdle: number;
  readonly poolLifetimeSeconds: number;
}

export interface ReadQuery {
  readonly id: string;
  readonly principal: Principal;
  readonly sql: string;
  readonly limit: number | undefined;
  readonly offset: number;
  readonly format: ResultFormat;
  readonly consistency: Consistency;
}

/**
 * Queries without a session: each takes a connection of the pool for one READ ONLY transaction. Owner of the pool.
 */
export class ReadQueries implements AsyncDisposable {
  readonly #services: SessionServices;
  readonly #pool: ConnectionPool;
  readonly #reads: ReadBarrier;

  constructor(services: SessionServices, options: ReadQueryOptions) {
    this.#services = services;
    this.#reads = new ReadBarrier(services, "");
    this.#pool = new ConnectionPool({
      connect: () => connect(services),
      max: options.poolMax,
      idle: options.poolIdle,
      lifetimeMs: options.poolLifetimeSeconds * 1000,
      now: () => performance.now(),
    });
  }

  get poolCounts(): PoolCounts {
    return this.#pool.counts;
  }

  /**
   * The result's bytes. Rejects with `not_a_read`, with DuckDB's error, and with the reason of `stop`, which ends the
   * query; all of these also after the first bytes.
   */
  async *run(query: ReadQuery, stop: AbortController): AsyncGenerator<Uint8Array> {
    const { queries, lake } = this.#services;
    const end = queries.started({
      id: query.id,
      sql: query.sql,
      via: "http",
      principal: query.principal,
      cancel: () => stop.abort(new EiderError("cancelled", "the query was cancelled")),
    });
    let finish = () => end("cancelled");
    try {
      yield* this.#read(query, stop.signal);
      finish = () => end("ok");
    } catch (error) {
      const told: EiderError = stop.signal.aborted ? stop.signal.reason : fromDuckError(error);
      finish = () => end(told.code === "cancelled" ? "cancelled" : "error", told);
      const explained = await lake.afterError(error);
      throw stop.signal.aborted ? told : fromDuckError(explained);
    } finally {
      finish();
    }
  }

  async *#read(asked: ReadQuery, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const startedMs = performance.now();
    const query = await this.#checkRoles(asked);
    await using lease = await this.#pool.lease(signal);
    const { connection } = lease;
    using _ = interruptOn(signal, connection);
    await this.#waitForTables(query, connection, signal);
    // A snapshot for all that follows, which no statement can change.
    await connection.run("BEGIN TRANSACTION READ ONLY");
    signal.throwIfAborted();
    await requireRead(connection, query.sql);
    signal.throwIfAborted();
    yield* RESULT_BODIES[query.format]({
      ...query,
      connection,
      signal,
      startedMs,
      detached: () => connect(this.#services),
      spool: this.#services.spool,
      ahead: this.#services.ahead,
    });
  }

  /** Resolves to what is to run: the text that was looked at. Throws `forbidden`. Names without a schema are looked for in the target schema: a query can change nothing of that. */
  async #checkRoles(query: ReadQuery): Promise<ReadQuery> {
    const guard = guardOf(this.#services, query.principal);
    if (!guard) return query;
    const sql = withoutComments(query.sql);
    const { targetSchema } = this.#services.names;
    for (const piece of splitStatements(sql)) await guard.checkStatement(piece, async () => targetSchema);
    return { ...query, sql };
  }

  async #waitForTables({ sql, consistency }: ReadQuery, connection: Connection, signal: AbortSignal): Promise<void> {
    const waiting = this.#reads.wait(consistency, tokenize(sql), (text) => connection.rows(text));
    // The flush goes on: others may wait for it, too.
    await Promise.race([waiting, aborted(signal)]);
    signal.throwIfAborted();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
