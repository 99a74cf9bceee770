import { randomUUID } from "node:crypto";
import { link, mkdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { parquetPaths } from "../buffer/segment-rows.ts";
import type { SealedSegment } from "../buffer/types.ts";
import type { Connection } from "../duck/database.ts";
import { isFatal } from "../duck/errors.ts";
import { LAKE, quoteLiteral } from "../duck/sql.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { AttachedSegment } from "./flush-sql.ts";
import { METADATA, type Metadata } from "./metadata.ts";
import type { TableDetail } from "./table-detail.ts";
import type { Log } from "./types.ts";

/** In a path DuckDB would take them for a pattern. */
const GLOB = /[*?[\]{}]/;

/** What makes DuckLake write files in another way than DuckDB does: then an INSERT writes them. */
const WRITES_OTHERWISE = `
  SELECT 1 FROM ${METADATA}.ducklake_metadata WHERE key LIKE 'parquet%' OR (key = 'encrypted' AND value <> 'false')
   UNION ALL
  SELECT 1 FROM ${METADATA}.ducklake_partition_info p JOIN ${METADATA}.ducklake_table t ON t.table_id = p.table_id
   WHERE p.end_snapshot IS NULL AND t.end_snapshot IS NULL AND CAST(t.table_uuid AS VARCHAR) = $1
   UNION ALL
  SELECT 1 FROM ${METADATA}.ducklake_sort_info s JOIN ${METADATA}.ducklake_table t ON t.table_id = s.table_id
   WHERE s.end_snapshot IS NULL AND t.end_snapshot IS NULL AND CAST(t.table_uuid AS VARCHAR) = $1`;

/**
 * The Parquet files of segments, given to the lake as they are by second names (hard links) in the table's folder: the rows
 * are not written again. What DuckLake would have written otherwise is left to an INSERT.
 * https://ducklake.select/docs/stable/duckdb/metadata/adding_files
 */
export class FileAdoption {
  readonly #metadata: Metadata;
  readonly #log: Log;
  /** Committed so far. */
  files = 0;
  /** Ids of segments whose files DuckLake did not take. */
  readonly #refused = new Set<string>();

  constructor(metadata: Metadata, log: Log) {
    this.#metadata = metadata;
    this.#log = log;
  }

  /** Those of the segments that `adopt` can take. The segments are of one table, whose rows all win. */
  async adoptable(
    connection: Connection,
    detail: TableDetail,
    segments: readonly AttachedSegment[],
  ): Promise<readonly AttachedSegment[]> {
    const fitting = segments.filter(({ segment }) => !this.#refused.has(segment.id) && fits(segment, detail));
    if (fitting.length === 0) return [];
    const hindrances = await this.#metadata.rows(connection, WRITES_OTHERWISE, [detail.uuid]);
    return hindrances.length === 0 ? fitting : [];
  }

  /**
   * In the flush's transaction; resolves to the number of rows. `names` gets the files' names in the lake, for `forget`.
   * Throws `write_conflict` when DuckLake refuses one: the flush, made again, inserts its rows.
   */
  async adopt(connection: Connection, detail: TableDetail, segment: SealedSegment, names: string[]): Promise<number> {
    const { target } = detail.shape;
    try {
      await mkdir(detail.folder, { recursive: true });
      for (const path of parquetPaths(segment)) {
        // As DuckLake names its own.
        const name = join(detail.folder, `ducklake-${randomUUID()}.parquet`);
        // By their times, files that no snapshot refers to are deleted when they are old.
        await utimes(path, new Date(), new Date());
        await link(path, name);
        names.push(name);
        await connection.run(
          `CALL ducklake_add_data_files(${quoteLiteral(LAKE)}, ${quoteLiteral(target.table)}, ${quoteLiteral(name)},
             schema => ${quoteLiteral(target.schema)}, hive_partitioning => false)`,
        );
      }
    } catch (error) {
      const isOfTheLake = isFatal(error) || (error instanceof EiderError && error.row.retryable);
      if (isOfTheLake) throw error;
      this.#refused.add(segment.id);
      this.#log.warn(
        { segment: segment.id, error: messageOf(error) },
        "the lake takes no file as it is; its rows are inserted",
      );
      throw new EiderError("write_conflict", messageOf(error), { cause: error });
    }
    return segment.rows;
  }

  /** After a transaction that is certain not to be committed. */
  async forget(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => rm(name, { force: true })));
  }
}

/** The file's columns are the table's, no more and no less. */
function fits(segment: SealedSegment, { shape, folder }: TableDetail): boolean {
  const isSame =
    shape.primaryKey.length === 0 &&
    segment.columns.length === shape.columns.length &&
    segment.columns.every(({ name, type, id, nullable }, i) => {
      const column = shape.columns[i];
      const isItself = id === undefined || segment.tableId !== shape.id || id === column?.id;
      // Of a column that has become NOT NULL an INSERT finds the NULLs.
      const isNullable = column?.nullable === true || !nullable;
      return isItself && isNullable && column?.type === type && column.name === name;
    });
  const { parquet } = segment;
  return isSame && parquet.length > 0 && parquet.every((file) => file.hasStatistics) && !GLOB.test(folder);
}
