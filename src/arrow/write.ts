import duckdb from "@duckdb/node-bindings";
import { assert, must } from "../base/assert.ts";
import type { RecordBatchView } from "./decode.ts";
import { writeColumn, writeNulls } from "./write-column.ts";

/** Where a column of the appended rows comes from: a column of the batch, NULL in all rows, or one value in all rows. */
export type ColumnSource =
  | { readonly kind: "column"; readonly index: number }
  | { readonly kind: "null" }
  | { readonly kind: "constant"; readonly value: duckdb.Value };

/** DuckDB's rows per vector, which is also a data chunk's capacity. */
export const CHUNK_ROWS = duckdb.vector_size();

/**
 * Writes batches into an appender, a chunk of 2048 rows at a time, through one reused data chunk. The batches were
 * checked when they were decoded: what is here can only fail for DuckDB's own reasons. An error leaves earlier chunks of
 * the batch in the appender; the caller rolls its transaction back.
 */
export class ChunkWriter {
  readonly #chunk: duckdb.DataChunk;
  readonly #vectors: readonly duckdb.Vector[];

  /** `types` are the appender's column types. */
  constructor(types: readonly duckdb.LogicalType[]) {
    this.#chunk = duckdb.create_data_chunk(types);
    this.#vectors = types.map((_, i) => duckdb.data_chunk_get_vector(this.#chunk, i));
  }

  /**
   * One source per column of the appender. A source column must have the DuckDB type that `duckTypeOf` gives its field;
   * a constant's value must have the column's type.
   */
  append(appender: duckdb.Appender, batch: RecordBatchView, sources: readonly ColumnSource[]): void {
    assert(sources.length === this.#vectors.length, `${sources.length} sources for ${this.#vectors.length} columns`);
    for (let start = 0; start < batch.rowCount; start += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, batch.rowCount - start);
      // Gives back the vectors' own memory: drops NULL masks, string heaps and constants of the chunk before.
      duckdb.data_chunk_reset(this.#chunk);
      duckdb.data_chunk_set_size(this.#chunk, count);
      for (let i = 0; i < this.#vectors.length; i++) {
        const vector = must(this.#vectors[i], "one vector per column");
        const source = must(sources[i], "one source per column");
        if (source.kind === "constant") duckdb.vector_reference_value(vector, source.value);
        else if (source.kind === "null") writeNulls(vector, count);
        else writeColumn(vector, must(batch.columns[source.index], "a source's column"), start, count);
      }
      duckdb.append_data_chunk(appender, this.#chunk);
    }
  }
}
