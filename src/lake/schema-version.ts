import type { Connection } from "../duck/database.ts";
import { METADATA, type Metadata } from "./metadata.ts";

/**
 * The lake's schema version, which every DDL and COMMENT raises (also by another process): about 2 ms. Calls that wait
 * share the next reading, never one that is under way, which may have begun before the caller's own DDL.
 */
export class SchemaVersion {
  readonly #connect: () => Promise<Connection>;
  readonly #metadata: Metadata;
  #running: Promise<number> | undefined;
  #next: Promise<number> | undefined;

  constructor(connect: () => Promise<Connection>, metadata: Metadata) {
    this.#connect = connect;
    this.#metadata = metadata;
  }

  read(): Promise<number> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<number> {
    this.#next = undefined;
    const reading = this.#query().finally(() => {
      if (this.#running === reading) this.#running = undefined;
    });
    this.#running = reading;
    return reading;
  }

  async #query(): Promise<number> {
    using connection = await this.#connect();
    const [row] = await this.#metadata.rows(
      connection,
      `SELECT max(schema_version) AS version FROM ${METADATA}.ducklake_snapshot`,
    );
    return Number(row?.["version"] ?? 0);
  }
}
