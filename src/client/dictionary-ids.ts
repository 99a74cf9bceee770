import { DataType, Dictionary, type Field, type Schema } from "apache-arrow";

/**
 * The schema with its dictionaries numbered from 0. arrow-js counts them for the whole process, so that each batch that is
 * built by itself would name others than its stream's schema does.
 */
export function numbered(schema: Schema): Schema {
  const ids = new Map<number, number>();
  const change = (type: DataType): DataType => {
    if (!DataType.isDictionary(type)) return withFields(type, (field) => field.clone({ type: change(field.type) }));
    const id = ids.get(type.id) ?? ids.size;
    ids.set(type.id, id);
    return new Dictionary(change(type.dictionary), type.indices, id, type.isOrdered);
  };
  return schema.assign(schema.fields.map((field) => field.clone({ type: change(field.type) })));
}

/** A nested type with its fields changed; any other as it is. */
export function withFields(type: DataType, change: (field: Field) => Field): DataType {
  if (DataType.isDictionary(type) || !type.children?.length) return type;
  return Object.assign(Object.create(Object.getPrototypeOf(type)), type, { children: type.children.map(change) });
}
