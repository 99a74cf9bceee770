import {
  type Binary,
  type Bool,
  type Date_,
  type Decimal,
  type Field,
  type Float,
  type Int,
  type List,
  Precision,
  type Schema,
  type Timestamp,
  Type,
  type Utf8,
} from "apache-arrow";
import { must } from "../base/assert.ts";
import { EiderError } from "../errors.ts";
import { type Frame, FrameBody } from "./frame-body.ts";

const encoder = new TextEncoder();
const NO_BYTES = new Uint8Array(0);
const ADVICE = "a table of values holds text, binary, numbers, booleans, dates, timestamps and lists of them";

/**
 * A small table of JavaScript values as one record batch of exactly `schema`: one array per field, undefined and null
 * are NULL. Takes strings, Uint8Arrays, numbers or bigints (for decimals without their scale, for days since 1970 and for
 * timestamps in their unit), booleans, and arrays of them for lists. No rows: no frame.
 */
export function encodeTable(schema: Schema, columns: readonly unknown[][]): Frame[] {
  if (columns.length !== schema.fields.length) {
    throw new EiderError("internal", `${columns.length} columns for a schema of ${schema.fields.length}`);
  }
  const rowCount = columns[0]?.length ?? 0;
  if (rowCount === 0) return [];
  const body = new FrameBody();
  for (const [i, field] of schema.fields.entries()) {
    const values = must(columns[i], "a column per field");
    if (values.length !== rowCount)
      throw new EiderError("internal", `column "${field.name}" has ${values.length} rows, not ${rowCount}`);
    addColumn(body, field, values);
  }
  return [body.toFrame(rowCount)];
}

type ColumnAdder = (body: FrameBody, field: Field, values: readonly unknown[]) => void;

const ADDERS: Readonly<Partial<Record<Type, ColumnAdder>>> = {
  [Type.Utf8]: (body, _field: Field<Utf8>, values) =>
    addBytes(
      body,
      values.map((value) => (isMissing(value) ? NO_BYTES : encoder.encode(String(value)))),
    ),
  [Type.Binary]: (body, _field: Field<Binary>, values) =>
    addBytes(
      body,
      values.map((value) => (value instanceof Uint8Array ? value : NO_BYTES)),
    ),
  [Type.Bool]: (body, _field: Field<Bool>, values) => body.addBuffer(bitsOf(values, (value) => value === true)),
  [Type.Int]: (body, field: Field<Int>, values) => addIntegers(body, field, values, field.type),
  [Type.Date]: (body, field: Field<Date_>, values) =>
    addIntegers(body, field, values, { bitWidth: 32, isSigned: true }),
  [Type.Timestamp]: (body, field: Field<Timestamp>, values) =>
    addIntegers(body, field, values, { bitWidth: 64, isSigned: true }),
  [Type.Decimal]: (body, field: Field<Decimal>, values) =>
    addIntegers(body, field, values, { bitWidth: field.type.bitWidth, isSigned: true }),
  [Type.Float]: (body, { type }: Field<Float>, values) => {
    const numbers = values.map((value) => (typeof value === "number" ? value : 0));
    const floats = type.precision === Precision.DOUBLE ? new Float64Array(numbers) : new Float32Array(numbers);
    body.addBuffer(new Uint8Array(floats.buffer));
  },
  [Type.List]: (body, field: Field<List>, values) => {
    const lists = values.map((value) => (Array.isArray(value) ? (value as unknown[]) : []));
    body.addBuffer(offsetsOf(lists.map((list) => list.length)));
    addColumn(body, must(field.type.children[0], "a list's child"), lists.flat());
  },
} as Readonly<Partial<Record<Type, ColumnAdder>>>;

function addColumn(body: FrameBody, field: Field, values: readonly unknown[]): void {
  const add = ADDERS[field.typeId as Type];
  if (!add) throw new EiderError("internal", `column "${field.name}" is ${field.type}: ${ADVICE}`);
  const nullCount = values.filter(isMissing).length;
  if (nullCount > 0 && !field.nullable) {
    throw new EiderError("internal", `column "${field.name}" must not be NULL, but ${nullCount} of its values are`);
  }
  body.addNode(values.length, nullCount);
  body.addBuffer(nullCount === 0 ? NO_BYTES : bitsOf(values, (value) => !isMissing(value)));
  add(body, field, values);
}

function isMissing(value: unknown): boolean {
  return value === null || value === undefined;
}

function bitsOf(values: readonly unknown[], isSet: (value: unknown) => boolean): Uint8Array {
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (const [i, value] of values.entries()) if (isSet(value)) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
  return bits;
}

function offsetsOf(lengths: readonly number[]): Uint8Array {
  const offsets = new Int32Array(lengths.length + 1);
  for (const [i, length] of lengths.entries()) offsets[i + 1] = (offsets[i] ?? 0) + length;
  return new Uint8Array(offsets.buffer);
}

function addBytes(body: FrameBody, values: readonly Uint8Array[]): void {
  body.addBuffer(offsetsOf(values.map((value) => value.byteLength)));
  body.addBuffer(Buffer.concat(values));
}

function addIntegers(
  body: FrameBody,
  field: Field,
  values: readonly unknown[],
  { bitWidth, isSigned }: Pick<Int, "bitWidth" | "isSigned"> | { bitWidth: number; isSigned: boolean },
): void {
  const width = bitWidth / 8;
  const view = new DataView(new ArrayBuffer(values.length * width));
  for (const [i, value] of values.entries()) {
    if (isMissing(value)) continue;
    const exact = BigInt(value as number | bigint);
    const wrapped = isSigned ? BigInt.asIntN(bitWidth, exact) : BigInt.asUintN(bitWidth, exact);
    if (wrapped !== exact) throw new EiderError("internal", `column "${field.name}": ${exact} is not ${field.type}`);
    if (bitWidth === 8) view.setUint8(i, Number(BigInt.asUintN(8, exact)));
    else if (bitWidth === 16) view.setUint16(2 * i, Number(BigInt.asUintN(16, exact)), true);
    else if (bitWidth === 32) view.setUint32(4 * i, Number(BigInt.asUintN(32, exact)), true);
    else {
      for (let word = 0; word < width / 8; word++)
        view.setBigUint64(i * width + 8 * word, BigInt.asUintN(64, exact >> BigInt(64 * word)), true);
    }
  }
  body.addBuffer(new Uint8Array(view.buffer));
}
