import { tmpdir } from "node:os";
import { openPrincipal } from "../../../src/access/principal.ts";
import { Database } from "../../../src/duck/database.ts";
import type { StatementResult } from "../../../src/flight/backend.ts";
import { ComputeAhead } from "../../../src/query/compute-ahead.ts";
import { OpenTransactions } from "../../../src/query/open-transactions.ts";
import { SpoolSpace } from "../../../src/query/spool-space.ts";
import { ClientSession } from "../../../src/session/session.ts";
import { query } from "../lake/lake-fixture.ts";
import { System } from "../model/system.ts";

/** A session without authentication. */
export function sessionOf(system: System, scratch: Database, transactions: OpenTransactions): ClientSession {
  return new ClientSession(openPrincipal("tester"), {
    ...system.services,
    autoCreateTables: true,
    names: { queueSchema: "duckling_queue", targetSchema: "main" },
    queries: { started: () => () => undefined },
    scratch,
    cancelTask: () => false,
    transactions,
    spool: new SpoolSpace({ folder: tmpdir(), memoryLimitBytes: 2 ** 28, diskLimitBytes: 2 ** 30 }),
    ahead: new ComputeAhead(1e8),
  });
}

/** A client's session on a lake and buffers of its own, in this process. */
export class SessionFixture implements AsyncDisposable {
  readonly system: System;
  readonly #scratch: Database;
  readonly #session: ClientSession;

  private constructor(system: System, scratch: Database) {
    this.system = system;
    this.#scratch = scratch;
    this.#session = sessionOf(system, scratch, new OpenTransactions(60));
  }

  static async open(): Promise<SessionFixture> {
    return new SessionFixture(await System.open(), await Database.open());
  }

  get session(): ClientSession {
    return this.#session;
  }

  /** Runs the statement to its end. */
  async run(sql: string, session = this.#session): Promise<StatementResult> {
    await using statement = await session.prepare(sql, {});
    const result = await statement.execute(undefined, {});
    if (result.kind !== "rows") return result;
    for await (const _ of result.rows.frames());
    await result.rows[Symbol.asyncDispose]();
    return result;
  }

  /** Runs it in another session. */
  async runBeside(sql: string): Promise<void> {
    await using other = new ClientSession(openPrincipal("other"), this.#session.services);
    await this.run(sql, other);
  }

  /** The table's rows, with those that wait. */
  async rowsOf(table: string): Promise<unknown[]> {
    await this.system.flusher.flush({ schema: "main", table }, "command");
    return query(this.system.lake, `FROM lake.main.${table} ORDER BY ALL`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
    await this.#scratch[Symbol.asyncDispose]();
    await this.system[Symbol.asyncDispose]();
  }
}
