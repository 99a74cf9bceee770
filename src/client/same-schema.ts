import { type Field, Schema, util } from "apache-arrow";
import { withFields } from "./dictionary-ids.ts";
import { schemaOf } from "./ipc.ts";

/**
 * A stream is read by its first schema: a batch with other columns, or in another order, would be stored as what it is not.
 * Throws a TypeError for one. Whether a field may be NULL does not count: arrow-js tells it of what a batch happens to hold.
 */
export function requireSameSchema(first: Uint8Array, other: Uint8Array, index: number): void {
  if (Buffer.from(other.buffer, other.byteOffset, other.byteLength).equals(first)) return;
  const [expected, found] = [schemaOf(first), schemaOf(other)];
  if (util.compareSchemas(withoutNullability(expected), withoutNullability(found))) return;
  throw new TypeError(`batch ${index} has another schema than the stream's first batch: ${found}, not ${expected}`);
}

function withoutNullability(schema: Schema): Schema {
  const change = (field: Field): Field => field.clone({ type: withFields(field.type, change), nullable: true });
  return new Schema(schema.fields.map(change));
}
