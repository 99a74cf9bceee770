import { Int64, type RecordBatch, Table, Utf8, vectorFromArray } from "apache-arrow";

/** Rows of `id BIGINT, text VARCHAR`, the text of each made from its id. */
export function textBatches(ids: readonly number[], text: (id: number) => string): RecordBatch[] {
  return new Table({
    id: vectorFromArray(ids.map(BigInt), new Int64()),
    text: vectorFromArray(ids.map(text), new Utf8()),
  }).batches;
}
