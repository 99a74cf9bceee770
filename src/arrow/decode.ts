import type { Schema } from "apache-arrow";
import { readBatchHeader } from "./batch-header.ts";
import { countOnes } from "./bits.ts";
import { BodyReader } from "./body.ts";
import type { ColumnView } from "./column-view.ts";
import { decodeColumn } from "./decode-column.ts";
import { malformed } from "./flatbuffer.ts";
import { type BatchUse, planSchema, type SchemaPlan } from "./plan.ts";
import { concatRows } from "./take.ts";

/** One record batch, checked and laid out as DuckDB wants it; views of the message's body where that is so already. */
export interface RecordBatchView {
  readonly rowCount: number;
  /** Bytes of the body as received. */
  readonly bodyBytes: number;
  readonly columns: readonly ColumnView[];
}

export interface DecodeOptions {
  /** Bytes that one message's compressed, repeated and converted values may unfold to in all. Default 256 MiB. */
  readonly maxDecompressedBytes?: number;
  /** `bind` for a statement's parameters: takes intervals that the lake could not keep. Default `store`. */
  readonly use?: BatchUse;
}

const DEFAULT_MAX_DECOMPRESSED_BYTES = 256 * 2 ** 20;

/** Decodes the record batches and dictionary batches that follow one schema message. */
export class BatchDecoder {
  readonly schema: Schema;
  readonly #plan: SchemaPlan;
  readonly #dictionaries = new Map<number, ColumnView>();
  readonly #limitBytes: number;
  /** Why a dictionary was refused: batches behind it would be read by the one before it. */
  #refusal: unknown;

  /** Throws type_unsupported, naming the field, when a type has no DuckDB type. */
  constructor(schema: Schema, options: DecodeOptions = {}) {
    this.schema = schema;
    this.#plan = planSchema(schema, options.use ?? "store");
    this.#limitBytes = options.maxDecompressedBytes ?? DEFAULT_MAX_DECOMPRESSED_BYTES;
  }

  /**
   * A record batch's view, or undefined for a dictionary batch, which is kept for the batches after it. Throws
   * request_invalid, naming the column, when anything does not fit together or a value has no place in its DuckDB type;
   * the decoder stays usable, unless it was a dictionary that was refused: then so is all that follows.
   */
  decode(message: { readonly header: Uint8Array; readonly body: Uint8Array }): RecordBatchView | undefined {
    if (this.#refusal !== undefined) throw this.#refusal;
    const header = readBatchHeader(message.header);
    if (header.dictionary) {
      try {
        this.#keepDictionary(header.dictionary, new BodyReader(header, message.body, this.#limitBytes));
      } catch (error) {
        this.#refusal = error;
        throw error;
      }
      return undefined;
    }
    const body = new BodyReader(header, message.body, this.#limitBytes);
    const columns = this.#plan.columns.map((plan) => decodeColumn(plan, body, this.#dictionaries));
    body.finish();
    for (const column of columns) {
      if (column.length !== header.rowCount) {
        throw malformed(`column "${column.path}" has ${column.length} rows in a batch of ${header.rowCount}`);
      }
    }
    return { rowCount: header.rowCount, bodyBytes: message.body.byteLength, columns };
  }

  #keepDictionary({ id, isDelta }: { id: number; isDelta: boolean }, body: BodyReader): void {
    const plan = this.#plan.dictionaries.get(id);
    if (!plan) throw malformed(`the schema has no dictionary ${id}`);
    const values = decodeColumn(plan, body, this.#dictionaries);
    body.finish();
    const known = this.#dictionaries.get(id);
    this.#dictionaries.set(id, isDelta && known ? concatRows(known, values, body) : values);
  }
}

/** The number of NULL rows, counted from the bits: a client's own count is not to be trusted. */
export function nullCountOf(column: ColumnView): number {
  if (column.kind === "null") return column.length;
  if (!column.validity) return 0;
  return column.length - countOnes(column.validity, 0, column.length);
}

export type { ColumnView } from "./column-view.ts";
