import type { BodyReader } from "./body.ts";
import {
  bitsColumn,
  bytesColumn,
  type ColumnView,
  fixedColumn,
  isNull,
  listColumn,
  nullColumn,
  structColumn,
} from "./column-view.ts";

/**
 * The rows of `source` at `indices`, -1 for NULL. Indices repeat (a dictionary's values), so a few bytes can unfold to
 * any number: what is gathered counts against the batch's limit before it is allocated.
 */
export function takeRows(source: ColumnView, indices: Int32Array, path: string, body: BodyReader): ColumnView {
  const length = indices.length;
  if (source.kind === "null") return nullColumn(path, length);
  const rows = { path, length, validity: takeValidity(source, indices) };
  if (source.kind === "fixed") return fixedColumn(rows, source.width, takeFixed(source, indices, path, body));
  if (source.kind === "bits") return bitsColumn(rows, takeBits(source, indices));
  if (source.kind === "bytes") {
    const offsets = takeOffsets(source, indices, path, body);
    const data = new Uint8Array(offsets[length] ?? 0);
    for (let row = 0; row < length; row++) {
      const at = offsets[row] ?? 0;
      const size = (offsets[row + 1] ?? 0) - at;
      // A NULL value may have bytes; its row has none.
      if (size === 0) continue;
      const from = source.offsets[indices[row] ?? 0] ?? 0;
      data.set(source.data.subarray(from, from + size), at);
    }
    return bytesColumn(rows, offsets, data);
  }
  if (source.kind === "struct") {
    body.reserve(length, path);
    const children = source.children.map((child) => takeRows(child, indices, child.path, body));
    return structColumn(rows, children);
  }
  const [child] = source.children;
  if (!child) return nullColumn(path, length);
  const offsets = takeOffsets(source, indices, path, body);
  const elements = new Int32Array(offsets[length] ?? 0);
  for (let row = 0; row < length; row++) {
    const first = source.offsets[indices[row] ?? -1] ?? 0;
    const from = offsets[row] ?? 0;
    const to = offsets[row + 1] ?? 0;
    for (let i = from; i < to; i++) elements[i] = first + i - from;
  }
  return listColumn(rows, offsets, takeRows(child, elements, child.path, body));
}

function takeValidity(source: ColumnView, indices: Int32Array): Uint8Array | undefined {
  let validity: Uint8Array | undefined;
  for (let row = 0; row < indices.length; row++) {
    const index = indices[row] ?? -1;
    if (index >= 0 && !isNull(source, index)) continue;
    validity ??= new Uint8Array((indices.length + 7) >> 3).fill(0xff);
    validity[row >> 3] = (validity[row >> 3] ?? 0) & ~(1 << (row & 7));
  }
  return validity;
}

function takeFixed(source: ColumnView, indices: Int32Array, path: string, body: BodyReader): Uint8Array {
  const { width, data } = source;
  body.reserve(indices.length * width, path);
  const target = new Uint8Array(indices.length * width);
  for (let row = 0; row < indices.length; row++) {
    const index = indices[row] ?? -1;
    if (index < 0) continue;
    const at = index * width;
    for (let i = 0; i < width; i++) target[row * width + i] = data[at + i] ?? 0;
  }
  return target;
}

function takeBits(source: ColumnView, indices: Int32Array): Uint8Array {
  const target = new Uint8Array((indices.length + 7) >> 3);
  for (let row = 0; row < indices.length; row++) {
    const index = indices[row] ?? -1;
    if (index < 0) continue;
    const bit = ((source.data[index >> 3] ?? 0) >> (index & 7)) & 1;
    target[row >> 3] = (target[row >> 3] ?? 0) | (bit << (row & 7));
  }
  return target;
}

/** Offsets of the gathered values or lists; NULL rows are empty. */
function takeOffsets(source: ColumnView, indices: Int32Array, path: string, body: BodyReader): Int32Array {
  const offsets = new Int32Array(indices.length + 1);
  let end = 0;
  for (let row = 0; row < indices.length; row++) {
    const index = indices[row] ?? -1;
    if (index >= 0 && !isNull(source, index)) {
      const size = (source.offsets[index + 1] ?? 0) - (source.offsets[index] ?? 0);
      body.reserve(size, path);
      end += size;
    }
    offsets[row + 1] = end;
  }
  return offsets;
}

/** Rows of `first`, then those of `second`: a dictionary and its delta. */
export function concatRows(first: ColumnView, second: ColumnView, body: BodyReader): ColumnView {
  const { path } = first;
  const length = first.length + second.length;
  if (first.kind === "null") return nullColumn(path, length);
  const validity = new Uint8Array((length + 7) >> 3);
  for (let row = 0; row < length; row++) {
    const isValid = row < first.length ? !isNull(first, row) : !isNull(second, row - first.length);
    if (isValid) validity[row >> 3] = (validity[row >> 3] ?? 0) | (1 << (row & 7));
  }
  const rows = { path, length, validity };
  if (first.kind === "fixed") {
    const at = first.length * first.width;
    body.reserve(length * first.width, path);
    const data = new Uint8Array(length * first.width);
    data.set(first.data.subarray(0, at));
    data.set(second.data.subarray(0, second.length * second.width), at);
    return fixedColumn(rows, first.width, data);
  }
  if (first.kind === "bits") {
    const data = new Uint8Array((length + 7) >> 3);
    for (let row = 0; row < length; row++) {
      const [from, at] = row < first.length ? [first, row] : [second, row - first.length];
      const bit = ((from.data[at >> 3] ?? 0) >> (at & 7)) & 1;
      data[row >> 3] = (data[row >> 3] ?? 0) | (bit << (row & 7));
    }
    return bitsColumn(rows, data);
  }
  if (first.kind === "struct") {
    const children = first.children.map((child, i) => {
      const other = second.children[i] ?? child;
      return concatRows(trim(child, first.length), trim(other, second.length), body);
    });
    return structColumn(rows, children);
  }
  const offsets = new Int32Array(length + 1);
  const base = first.offsets[first.length] ?? 0;
  const start = second.offsets[0] ?? 0;
  offsets.set(first.offsets.subarray(0, first.length + 1));
  for (let i = 1; i <= second.length; i++) offsets[first.length + i] = base + (second.offsets[i] ?? 0) - start;
  const end = second.offsets[second.length] ?? 0;
  body.reserve(base + end - start, path);
  if (first.kind === "bytes") {
    const data = new Uint8Array(base + end - start);
    data.set(first.data.subarray(0, base));
    data.set(second.data.subarray(start, end), base);
    return bytesColumn(rows, offsets, data);
  }
  const [child] = first.children;
  const [other] = second.children;
  if (!child || !other) return nullColumn(path, length);
  const tail = Int32Array.from({ length: end - start }, (_, i) => start + i);
  return listColumn(rows, offsets, concatRows(trim(child, base), takeRows(other, tail, other.path, body), body));
}

/** A child may be longer than its parent needs. */
function trim(column: ColumnView, length: number): ColumnView {
  return column.length === length ? column : { ...column, length };
}
