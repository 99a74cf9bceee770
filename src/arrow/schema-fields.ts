import {
  Binary,
  BinaryView,
  Bool,
  type DataType,
  Date_,
  Decimal,
  DenseUnion,
  Dictionary,
  Duration,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float,
  Int,
  Int32,
  Interval,
  LargeBinary,
  LargeList,
  LargeUtf8,
  List,
  Map_,
  Null,
  SparseUnion,
  Struct,
  Time,
  Timestamp,
  Utf8,
  Utf8View,
} from "apache-arrow";
import { EiderError } from "../errors.ts";
import { type FlatTable, malformed } from "./flatbuffer.ts";

/** Nesting that a schema may have; recursion over types goes as deep. */
const MAX_DEPTH = 64;
/** Fields of a schema, nested ones included: tables may share children, so the header's size bounds nothing. */
const MAX_FIELDS = 20_000;

type TypeReader = (table: FlatTable, children: Field[], path: string) => DataType;

const onlyChild = (children: Field[], path: string): Field => {
  const [child] = children;
  if (!child || children.length !== 1) throw malformed(`field "${path}" must have one child, not ${children.length}`);
  return child;
};

const refused =
  (name: string, advice: string): TypeReader =>
  (_table, _children, path) => {
    throw new EiderError("type_unsupported", `column "${path}" is of the Arrow type ${name}: ${advice}`);
  };

const oneOf = (value: number, allowed: readonly number[], what: string, path: string): number => {
  if (!allowed.includes(value)) throw malformed(`field "${path}" has the ${what} ${value}`);
  return value;
};

const UNITS = [0, 1, 2, 3];

/** By the number of the type in Schema.fbs's union `Type`. */
const TYPES: Readonly<Record<number, TypeReader>> = {
  1: () => new Null(),
  2: (t, _c, path) => readInt(t, path),
  3: (t, _c, path) => new Float(oneOf(t.int16(0), [0, 1, 2], "precision", path)),
  4: () => new Binary(),
  5: () => new Utf8(),
  6: () => new Bool(),
  7: (t, _c, path) =>
    new Decimal(t.int32(1), t.int32(0), oneOf(t.int32(2, 128), [32, 64, 128, 256], "bit width", path)),
  8: (t, _c, path) => new Date_(oneOf(t.int16(0, 1), [0, 1], "unit", path)),
  9: (t, _c, path) => {
    const unit = oneOf(t.int16(0, 1), UNITS, "unit", path);
    return new Time(unit, oneOf(t.int32(1, 32), [unit < 2 ? 32 : 64], "bit width", path) as 32 | 64);
  },
  10: (t, _c, path) => new Timestamp(oneOf(t.int16(0), UNITS, "unit", path), t.string(1) ?? null),
  11: (t, _c, path) => new Interval(oneOf(t.int16(0), [0, 1, 2], "unit", path)),
  12: (_t, children, path) => new List(onlyChild(children, path)),
  13: (_t, children) => new Struct(children),
  14: (t, children, path) => readUnion(t, children, path),
  15: (t, _c, path) => new FixedSizeBinary(positive(t.int32(0), "byte width", path)),
  16: (t, children, path) => new FixedSizeList(positive(t.int32(0), "list size", path), onlyChild(children, path)),
  17: (t, children, path) => readMap(t, onlyChild(children, path), path),
  18: (t, _c, path) => new Duration(oneOf(t.int16(0, 1), UNITS, "unit", path)),
  19: () => new LargeBinary(),
  20: () => new LargeUtf8(),
  21: (_t, children, path) => new LargeList(onlyChild(children, path)),
  22: refused("run_end_encoded", "decode it before sending (pyarrow: pc.run_end_decode)"),
  23: () => new BinaryView(),
  24: () => new Utf8View(),
  25: refused("list_view", "send it as list"),
  26: refused("large_list_view", "send it as list"),
};

/** Reads the fields of one schema; what is read of a forged schema is bounded. */
export class FieldReader {
  #fieldsLeft = MAX_FIELDS;
  /** Value types by dictionary id: fields may share a dictionary, and apache-arrow wants them to share the type object. */
  readonly #dictionaries = new Map<number, DataType>();

  readAll(tables: readonly FlatTable[], parent: string, depth = 0): Field[] {
    if (depth > MAX_DEPTH) throw malformed(`field "${parent}" is nested more than ${MAX_DEPTH} levels deep`);
    this.#fieldsLeft -= tables.length;
    if (this.#fieldsLeft < 0) throw tooManyFields();
    return tables.map((table) => this.#read(table, parent, depth));
  }

  #read(table: FlatTable, parent: string, depth: number): Field {
    const name = table.string(0) ?? "";
    const path = parent === "" ? name : `${parent}.${name}`;
    const id = table.uint8(2);
    const reader = TYPES[id];
    if (!reader) {
      throw new EiderError("type_unsupported", `column "${path}" is of an unknown Arrow type (number ${id})`);
    }
    const body = table.table(3);
    if (!body) throw malformed(`field "${path}" has no type`);
    const value = reader(body, this.readAll(table.tables(5), path, depth + 1), path);
    return new Field(name, this.#encoded(table.table(4), value, path), table.bool(1), readMetadata(table.tables(6)));
  }

  #encoded(encoding: FlatTable | undefined, value: DataType, path: string): DataType {
    if (!encoding) return value;
    const id = encoding.int64(0, "a dictionary id");
    const shared = this.#dictionaries.get(id) ?? value;
    if (String(shared) !== String(value)) {
      throw malformed(`field "${path}": dictionary ${id} has values of two types, ${shared} and ${value}`);
    }
    this.#dictionaries.set(id, shared);
    const index = encoding.table(1);
    // A missing index type means int32 (Schema.fbs, DictionaryEncoding).
    const indices = index ? (readInt(index, path) as Int32) : new Int32();
    return new Dictionary(shared, indices, id, encoding.bool(2));
  }
}

export function readMetadata(pairs: readonly FlatTable[]): Map<string, string> {
  return new Map(pairs.map((pair) => [pair.string(0) ?? "", pair.string(1) ?? ""]));
}

function readInt(table: FlatTable, path: string): DataType {
  const bits = oneOf(table.int32(0), [8, 16, 32, 64], "bit width", path);
  return new Int(table.bool(1), bits as 8 | 16 | 32 | 64);
}

function positive(value: number, what: string, path: string): number {
  if (value < 0) throw malformed(`field "${path}" has the ${what} ${value}`);
  return value;
}

function readUnion(table: FlatTable, children: Field[], path: string): DataType {
  const mode = oneOf(table.int16(0), [0, 1], "union mode", path);
  const { start, count } = table.vector(1, 4);
  const ids = Array.from({ length: count }, (_, i) => table.view.getInt32(start + 4 * i, true));
  const typeIds = count === 0 ? children.map((_, i) => i) : ids;
  return mode === 0 ? new SparseUnion(typeIds, children) : new DenseUnion(typeIds, children);
}

function readMap(table: FlatTable, entries: Field, path: string): DataType {
  if (!(entries.type instanceof Struct) || entries.type.children.length !== 2) {
    throw malformed(`map field "${path}" must have one struct child with a key and a value`);
  }
  return new Map_(entries, table.bool(0));
}

function tooManyFields(): EiderError {
  return new EiderError(
    "request_invalid",
    `the schema has more than ${MAX_FIELDS} fields, members of nested ones among them; send some as text, say as JSON`,
  );
}
