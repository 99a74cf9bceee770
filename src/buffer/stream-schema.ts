import type { Schema } from "apache-arrow";
import { BatchDecoder, type RecordBatchView } from "../arrow/decode.ts";
import { decodeSchema } from "../arrow/schema.ts";
import { BatchPlan, type Missing } from "./batch-plan.ts";
import type { RowLayout } from "./row-layout.ts";
import type { ArrowMessage } from "./types.ts";

/** One client stream's schema: decodes its batches and plans how they become rows. */
export class StreamSchema {
  readonly schema: Schema;
  readonly #decoder: BatchDecoder;
  readonly #missing: Missing;

  constructor(message: Uint8Array, missing: Missing) {
    this.#missing = missing;
    this.schema = decodeSchema(message);
    this.#decoder = new BatchDecoder(this.schema);
  }

  /** Undefined for a dictionary batch. */
  decode(message: ArrowMessage): RecordBatchView | undefined {
    return this.#decoder.decode(message);
  }

  planFor(layout: RowLayout): BatchPlan {
    return BatchPlan.match(this.schema, layout, this.#missing);
  }
}
