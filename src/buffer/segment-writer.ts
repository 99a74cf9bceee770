import duckdb from "@duckdb/node-bindings";
import { CHUNK_ROWS, ChunkWriter } from "../arrow/write.ts";
import { letGoOf } from "../base/garbage.ts";
import type { Connection } from "../duck/database.ts";
import { qualifiedName } from "../duck/sql.ts";
import { SEGMENT, type TokenRow } from "./segment-file.ts";
import type { WriteUnit } from "./write-unit.ts";

/** The appender keeps rows in memory that no limit counts; beyond this many bytes they go to the table. */
const APPENDER_LIMIT_BYTES = 8 * 1024 * 1024;

/** Of a column: a vector in the writer's chunk and one in the appender's own, of values of 16 bytes. */
const COLUMN_BYTES = 2 * CHUNK_ROWS * 16;

const CAST_TABLE = "eider_cast";

/** Writes units into a segment's tables inside the transaction that its owner has begun. Not usable after an error. */
export class SegmentWriter {
  readonly #connection: Connection;
  readonly #table: string;
  readonly #rows: AppenderOf;
  #tokens: duckdb.Appender | undefined;
  #unflushedBytes = 0;

  /** Rows go to another table than the segment's own while it is not known whether they stay in its file. */
  constructor(connection: Connection, catalog = SEGMENT, table = "rows") {
    this.#connection = connection;
    this.#table = qualifiedName(catalog, "main", table);
    this.#rows = new AppenderOf(connection, catalog, table);
  }

  /** In order, so that a row's rowid follows from its place; callers flush() before they COMMIT. */
  async write(units: readonly WriteUnit[]): Promise<void> {
    for (let index = 0; index < units.length; ) {
      const unit = units[index] as WriteUnit;
      if (unit.plan.cast === undefined) {
        this.#append(unit);
        index += 1;
        continue;
      }
      let end = index + 1;
      while (units[end]?.plan.cast?.key === unit.plan.cast.key) end += 1;
      await this.#cast(units.slice(index, end));
      index = end;
    }
  }

  writeToken(row: Omit<TokenRow, "tableId">): void {
    this.#tokens ??= duckdb.appender_create_ext(this.#connection.handle, SEGMENT, "main", "tokens");
    duckdb.append_varchar(this.#tokens, row.token);
    duckdb.append_int64(this.#tokens, BigInt(row.rows));
    duckdb.append_int64(this.#tokens, BigInt(row.seq));
    duckdb.append_int64(this.#tokens, BigInt(row.atMs));
    duckdb.appender_end_row(this.#tokens);
  }

  flush(): void {
    this.#rows.flush();
    this.#unflushedBytes = 0;
    if (this.#tokens) duckdb.appender_flush_sync(this.#tokens);
  }

  /** Drops what is not flushed. */
  close(): void {
    this.#rows.close();
    if (this.#tokens) closeAppender(this.#tokens);
    this.#tokens = undefined;
  }

  #append(unit: WriteUnit): void {
    const sources = unit.plan.sources(unit.op);
    for (const batch of unit.batches) {
      this.#rows.append(batch, sources);
      this.#unflushedBytes += batch.bodyBytes;
      if (this.#unflushedBytes > APPENDER_LIMIT_BYTES) this.flush();
    }
  }

  /** Through a temporary table, because the appender's own casts differ from CAST (JSON is not checked, for one). */
  async #cast(units: readonly WriteUnit[]): Promise<void> {
    const cast = units[0]?.plan.cast;
    if (cast === undefined) return;
    this.flush();
    await this.#connection.run(`CREATE TEMP TABLE ${CAST_TABLE} (${cast.definition})`);
    const appender = new AppenderOf(this.#connection, "temp", CAST_TABLE);
    try {
      for (const unit of units) {
        const sources = unit.plan.sources(unit.op);
        for (const batch of unit.batches) appender.append(batch, sources);
      }
      appender.flush();
    } finally {
      appender.close();
    }
    await this.#connection.run(
      `INSERT INTO ${this.#table} SELECT ${cast.selectList} FROM temp.main.${CAST_TABLE};
       DROP TABLE temp.main.${CAST_TABLE}`,
    );
  }
}

class AppenderOf {
  readonly #appender: duckdb.Appender;
  readonly #writer: ChunkWriter;
  readonly #columnCount: number;

  constructor(connection: Connection, catalog: string, table: string) {
    this.#appender = duckdb.appender_create_ext(connection.handle, catalog, "main", table);
    const types: duckdb.LogicalType[] = [];
    for (let index = 0; index < duckdb.appender_column_count(this.#appender); index += 1) {
      types.push(duckdb.appender_column_type(this.#appender, index));
    }
    this.#writer = new ChunkWriter(types);
    this.#columnCount = types.length;
  }

  append(batch: Parameters<ChunkWriter["append"]>[1], sources: Parameters<ChunkWriter["append"]>[2]): void {
    this.#writer.append(this.#appender, batch, sources);
  }

  flush(): void {
    duckdb.appender_flush_sync(this.#appender);
  }

  close(): void {
    closeAppender(this.#appender);
    letGoOf(this.#columnCount * COLUMN_BYTES);
  }
}

/** Closing flushes first: an appender with rows that failed once fails again, and is then gone as wanted. */
function closeAppender(appender: duckdb.Appender): void {
  try {
    duckdb.appender_clear(appender);
  } catch {
    // Nothing to clear, or an appender that an error has made invalid.
  }
  try {
    duckdb.appender_close_sync(appender);
  } catch {
    // The error that made it invalid was reported where it happened.
  }
}
