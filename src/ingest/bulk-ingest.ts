import type { Column, TableShape } from "../base/table.ts";
import { type Target, targetKey, targetName } from "../base/target.ts";
import type { StageStream } from "../buffer/types.ts";
import { qualifiedName, quoteIdentifier } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";
import { createTableStatements } from "../lake/ddl.ts";
import type { SqlSession, Transaction } from "../query/sql-session.ts";
import { type DirectWrite, directWriteInto, writeDirect } from "./direct-write.ts";
import type { IngestServices } from "./services.ts";
import { describeFor, readyBuffer, storableColumns } from "./targets.ts";

export interface BulkIngestRequest {
  readonly target: Target;
  readonly temporary: boolean;
  readonly ifNotExists: "create" | "fail";
  readonly ifExists: "fail" | "append" | "replace";
  /** Straight into the lake even outside of a transaction. */
  readonly direct: boolean;
  readonly transaction: Transaction | undefined;
}

type Finish = (stage: StageStream) => Promise<number>;

/**
 * CommandStatementIngest: all of the stream or nothing. The rows are staged; `finish` publishes them to the target's
 * buffer, or writes them to the lake in a transaction (the session's, or one of its own when the table is replaced).
 */
export class BulkIngest {
  readonly #services: IngestServices;
  readonly #target: Target;
  readonly #stage: StageStream;
  readonly #finish: Finish;
  /** Its transaction is not left alone while the client sends. */
  readonly #letGo: () => void;
  readonly #startedMs = performance.now();
  #bytes = 0;

  private constructor(services: IngestServices, target: Target, stage: StageStream, finish: Finish, letGo: () => void) {
    this.#services = services;
    this.#target = target;
    this.#stage = stage;
    this.#finish = finish;
    this.#letGo = letGo;
  }

  static async open(
    services: IngestServices,
    sql: SqlSession,
    request: BulkIngestRequest,
    schema: Uint8Array,
    session: string,
  ): Promise<BulkIngest> {
    const columns = storableColumns(schema);
    const letGo = request.transaction?.use() ?? (() => undefined);
    let plan: Plan | undefined;
    try {
      plan = request.temporary
        ? await planTemporary(services, sql, request, columns)
        : await planLake(services, sql, request, columns);
      const stage = await services.buffers.stage(plan.buffered?.target, plan.shape, schema, session);
      return new BulkIngest(services, request.target, stage, plan.finish, letGo);
    } catch (error) {
      letGo();
      throw plan?.shape ? asExistingWithOtherSchema(error, request.target) : error;
    }
  }

  async write(frame: { readonly header: Uint8Array; readonly body: Uint8Array }): Promise<void> {
    this.#bytes += frame.body.byteLength;
    await this.#stage.write(frame);
  }

  async finish(): Promise<number> {
    const record = (result: "appended" | "rejected", rows: number) =>
      this.#services.observer.wrote(
        this.#target,
        "ingest",
        result,
        rows,
        this.#bytes,
        performance.now() - this.#startedMs,
      );
    try {
      const rows = await this.#finish(this.#stage);
      record("appended", rows);
      return rows;
    } catch (error) {
      record("rejected", 0);
      await this.#stage.discard();
      throw error;
    } finally {
      this.#letGo();
    }
  }

  abort(): Promise<void> {
    this.#letGo();
    return this.#stage.discard();
  }
}

interface Plan {
  /** What the stream must fit; undefined: the table is made of the stream's own columns. */
  readonly shape: TableShape | undefined;
  /** Set when the rows go to this buffer. */
  readonly buffered: TableShape | undefined;
  readonly finish: Finish;
}

async function planLake(
  services: IngestServices,
  sql: SqlSession,
  request: BulkIngestRequest,
  columns: readonly Column[],
): Promise<Plan> {
  const { target, transaction } = request;
  const existing = await describeFor(services, sql, transaction, target);
  checkExistence(existing !== undefined, request, targetName(target));
  const names = columns.map((column) => column.name);
  const isDirect = request.direct || transaction !== undefined;
  if (existing && request.ifExists === "append") {
    if (isDirect) {
      // The rows waiting in the buffer are older than these.
      await services.flusher.flush(existing.target, "ingest");
      const write = directWriteInto(existing, names);
      return {
        shape: existing,
        buffered: undefined,
        finish: (stage) => writeDirect(services.lake, sql, transaction, stage, write),
      };
    }
    const shape = await readyBuffer(services, target, () => columns);
    return { shape, buffered: shape, finish: async (stage) => (await stage.publish({ op: defaultOp(shape) })).rows };
  }
  const shape: TableShape = { target, columns, primaryKey: [] };
  if (existing || isDirect) {
    const finish: Finish = async (stage) => {
      if (existing) await services.flusher.flush(existing.target, "ingest");
      const write = directWriteInto(
        shape,
        names,
        createTableStatements(shape, { orReplace: existing !== undefined, ifNotExists: false }),
      );
      return writeDirect(services.lake, sql, transaction, stage, write);
    };
    return { shape: undefined, buffered: undefined, finish };
  }
  const finish: Finish = async (stage) => {
    stage.settle();
    const isNew = await services.lake.createTable(shape, { ifNotExists: request.ifExists === "append" });
    try {
      const made = await readyBuffer(services, target, () => columns);
      return (await stage.publish({ op: defaultOp(made) })).rows;
    } catch (error) {
      if (isNew) await dropUnlessUsed(services, target);
      throw error;
    }
  };
  return { shape: undefined, buffered: shape, finish };
}

/** A failed ingest leaves nothing, so not the table that was made for it either; unless others have written to it since. */
async function dropUnlessUsed(services: IngestServices, target: Target): Promise<void> {
  const view = services.buffers.views().find((candidate) => targetKey(candidate.target) === targetKey(target));
  if (view && view.openRows + view.sealedRows > 0) return;
  // The buffer stays: rows that come in at this moment are acknowledged, and wait for the table to be made again.
  await services.lake.dropTable(target, { ifExists: true });
}

/** A table of the session's own: it must not be confused with one of the same name in the lake. */
async function planTemporary(
  services: IngestServices,
  sql: SqlSession,
  request: BulkIngestRequest,
  columns: readonly Column[],
): Promise<Plan> {
  const { target } = request;
  sql.slots.isPinned = true;
  const into = qualifiedName("temp", "main", target.table);
  const found = await sql.onSlot(request.transaction, (slot) =>
    slot.connection.rows(
      "SELECT 1 FROM duckdb_tables() WHERE database_name = 'temp' AND lower(table_name) = lower($table)",
      { table: target.table },
    ),
  );
  checkExistence(found.length > 0, request, `temp.${target.table}`);
  const definition = columns.map(
    (column) => `${quoteIdentifier(column.name)} ${column.type}${column.nullable ? "" : " NOT NULL"}`,
  );
  const append = found.length > 0 && request.ifExists === "append";
  const prepare = append ? [] : [`CREATE OR REPLACE TEMP TABLE ${into} (${definition.join(", ")})`];
  const write: DirectWrite = {
    prepare,
    into,
    columns: columns.map((column) => column.name),
    key: [],
    target: undefined,
  };
  return {
    shape: undefined,
    buffered: undefined,
    finish: (stage) => writeDirect(services.lake, sql, request.transaction, stage, write),
  };
}

function checkExistence(exists: boolean, request: BulkIngestRequest, name: string): void {
  if (exists && request.ifExists === "fail") {
    throw new EiderError("already_exists", `table ${name} already exists; ingest with mode append or replace instead`);
  }
  if (!exists && request.ifNotExists === "fail") {
    throw new EiderError(
      "table_not_found",
      `table ${name} does not exist; ingest with mode create or create_append instead`,
    );
  }
}

/** ADBC fixes this error: appending to a table of another schema is "already exists" (adbc.h, ADBC_INGEST_OPTION_MODE). */
function asExistingWithOtherSchema(error: unknown, target: Target): unknown {
  if (!(error instanceof EiderError) || error.code !== "schema_mismatch") return error;
  return new EiderError(
    "already_exists",
    `table ${targetName(target)} already exists with another schema: ${error.message}`,
    {
      cause: error,
    },
  );
}

const defaultOp = (shape: TableShape) => (shape.primaryKey.length > 0 ? "upsert" : "insert");
