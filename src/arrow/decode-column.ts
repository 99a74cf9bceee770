import { EiderError } from "../errors.ts";
import type { BodyReader } from "./body.ts";
import {
  bitsColumn,
  bytesColumn,
  type ColumnView,
  fixedColumn,
  int32sOf,
  isNull,
  listColumn,
  nullColumn,
  structColumn,
} from "./column-view.ts";
import { malformed } from "./flatbuffer.ts";
import { checkMap } from "./map-check.ts";
import type { ColumnPlan } from "./plan.ts";
import { takeRows } from "./take.ts";
import { checkText } from "./text-check.ts";

/** Decodes one column from the cursor; every number is checked against what it points into before it is used. */
export type Dictionaries = ReadonlyMap<number, ColumnView>;
type Decoder = (plan: ColumnPlan, body: BodyReader, dictionaries: Dictionaries) => ColumnView;

const DECODERS: Readonly<Record<ColumnPlan["layout"], Decoder>> = {
  null: (plan, body) => {
    body.takeNode(plan.path);
    return nullColumn(plan.path, body.length);
  },
  bits: (plan, body) => {
    const rows = takeRowsHeader(plan, body);
    return bitsColumn(rows, body.takeBuffer(plan.path, (rows.length + 7) >> 3));
  },
  fixed: decodeFixed,
  bytes: (plan, body) => {
    const rows = takeRowsHeader(plan, body);
    const offsets = takeOffsets(plan, body, rows.length);
    return finishBytes(plan, rows, offsets, body.takeBuffer(plan.path, 0));
  },
  "large-bytes": (plan, body) => {
    const rows = takeRowsHeader(plan, body);
    const offsets = takeLargeOffsets(plan, body, rows.length);
    return finishBytes(plan, rows, offsets, body.takeBuffer(plan.path, 0));
  },
  views: decodeViews,
  list: (plan, body, dictionaries) => {
    const rows = takeRowsHeader(plan, body);
    const offsets = takeOffsets(plan, body, rows.length);
    const list = finishList(plan, rows, offsets, decodeChild(plan, body, dictionaries));
    return plan.isMap ? checkMap(list) : list;
  },
  "large-list": (plan, body, dictionaries) => {
    const rows = takeRowsHeader(plan, body);
    const offsets = takeLargeOffsets(plan, body, rows.length);
    return finishList(plan, rows, offsets, decodeChild(plan, body, dictionaries));
  },
  "fixed-list": (plan, body, dictionaries) => {
    const rows = takeRowsHeader(plan, body);
    body.checkLength(rows.length * plan.listSize, `column "${plan.path}"`);
    const offsets = new Int32Array(rows.length + 1);
    for (let i = 1; i <= rows.length; i++) offsets[i] = i * plan.listSize;
    return finishList(plan, rows, offsets, decodeChild(plan, body, dictionaries));
  },
  struct: (plan, body, dictionaries) => {
    const rows = takeRowsHeader(plan, body);
    const children = plan.children.map((child) => decodeColumn(child, body, dictionaries));
    for (const child of children) {
      if (child.length < rows.length) {
        throw malformed(`column "${child.path}" has ${child.length} rows where its struct has ${rows.length}`);
      }
    }
    return structColumn(rows, children);
  },
  dictionary: decodeIndices,
};

export function decodeColumn(plan: ColumnPlan, body: BodyReader, dictionaries: Dictionaries): ColumnView {
  return DECODERS[plan.layout](plan, body, dictionaries);
}

interface Rows {
  readonly path: string;
  readonly length: number;
  readonly validity: Uint8Array | undefined;
}

/** The node and the validity bitmap, which may be left out when nothing is NULL. */
function takeRowsHeader(plan: ColumnPlan, body: BodyReader): Rows {
  body.takeNode(plan.path);
  const { length, nullCount } = body;
  const bits = body.takeBuffer(plan.path, 0);
  if (bits.byteLength === 0) {
    if (nullCount > 0) throw malformed(`column "${plan.path}" claims ${nullCount} NULLs but has no validity bitmap`);
    return { path: plan.path, length, validity: undefined };
  }
  if (bits.byteLength < (length + 7) >> 3) {
    throw malformed(`column "${plan.path}" has a validity bitmap of ${bits.byteLength} bytes for ${length} rows`);
  }
  return { path: plan.path, length, validity: bits };
}

function decodeFixed(plan: ColumnPlan, body: BodyReader): ColumnView {
  const rows = takeRowsHeader(plan, body);
  const data = body.takeBuffer(plan.path, rows.length * plan.width);
  let column = fixedColumn(rows, plan.width, data);
  for (const step of plan.convert) column = step(column);
  return column;
}

/** An empty column may leave its offsets out altogether. */
function takeOffsets(plan: ColumnPlan, body: BodyReader, length: number): Int32Array {
  const bytes = body.takeBuffer(plan.path, length === 0 ? 0 : 4 * (length + 1));
  return length === 0 ? new Int32Array(1) : int32sOf(bytes, length + 1);
}

function takeLargeOffsets(plan: ColumnPlan, body: BodyReader, length: number): Int32Array {
  const bytes = body.takeBuffer(plan.path, length === 0 ? 0 : 8 * (length + 1));
  const offsets = new Int32Array(length + 1);
  if (length === 0) return offsets;
  const words = int32sOf(bytes, 2 * (length + 1));
  for (let i = 0; i <= length; i++) {
    const low = words[2 * i] ?? 0;
    if (words[2 * i + 1] !== 0 || low < 0) throw malformed(`column "${plan.path}" has an offset beyond 2 GiB`);
    offsets[i] = low;
  }
  return offsets;
}

function checkOffsets(path: string, offsets: Int32Array, length: number, limit: number): void {
  let previous = offsets[0] ?? 0;
  let isRising = previous >= 0;
  for (let i = 1; i <= length; i++) {
    const offset = offsets[i] ?? 0;
    if (offset < previous) isRising = false;
    previous = offset;
  }
  if (!isRising) throw malformed(`the offsets of column "${path}" do not rise`);
  if (previous > limit)
    throw malformed(`the offsets of column "${path}" reach ${previous}, but its data ends at ${limit}`);
}

function finishBytes(plan: ColumnPlan, rows: Rows, offsets: Int32Array, data: Uint8Array): ColumnView {
  checkOffsets(plan.path, offsets, rows.length, data.byteLength);
  const column = bytesColumn(rows, offsets, data);
  return plan.isText ? checkText(column) : column;
}

function finishList(plan: ColumnPlan, rows: Rows, offsets: Int32Array, child: ColumnView): ColumnView {
  checkOffsets(plan.path, offsets, rows.length, child.length);
  return listColumn(rows, offsets, child);
}

function decodeChild(plan: ColumnPlan, body: BodyReader, dictionaries: Dictionaries): ColumnView {
  const [child] = plan.children;
  if (!child) throw malformed(`column "${plan.path}" has no child`);
  return decodeColumn(child, body, dictionaries);
}

/** Views (length, then 12 bytes of text, or prefix, buffer and offset) become offsets and one range of bytes. */
function decodeViews(plan: ColumnPlan, body: BodyReader): ColumnView {
  const rows = takeRowsHeader(plan, body);
  const { path } = plan;
  const views = body.takeBuffer(path, rows.length * 16);
  const count = body.takeVariadicCount(path);
  const buffers = Array.from({ length: count }, () => body.takeBuffer(path, 0));
  const words = int32sOf(views, rows.length * 4);
  const offsets = new Int32Array(rows.length + 1);
  const bare = bytesColumn(rows, offsets, views);
  let end = 0;
  for (let row = 0; row < rows.length; row++) {
    if (!isNull(bare, row)) {
      const size = words[4 * row] ?? 0;
      if (size < 0) throw malformed(`column "${path}" row ${row + 1} has the length ${size}`);
      body.reserve(size, path);
      end += size;
    }
    offsets[row + 1] = end;
  }
  const data = new Uint8Array(end);
  for (let row = 0; row < rows.length; row++) {
    const at = offsets[row] ?? 0;
    const size = (offsets[row + 1] ?? 0) - at;
    if (size === 0) continue;
    const isInline = size <= 12;
    const buffer = isInline ? views : buffers[words[4 * row + 2] ?? 0];
    const from = isInline ? row * 16 + 4 : (words[4 * row + 3] ?? 0);
    if (!buffer || from < 0 || from + size > buffer.byteLength) {
      throw malformed(`column "${path}" row ${row + 1} points outside of its data`);
    }
    data.set(buffer.subarray(from, from + size), at);
  }
  return finishBytes(plan, rows, offsets, data);
}

function decodeIndices(plan: ColumnPlan, body: BodyReader, dictionaries: Dictionaries): ColumnView {
  const rows = takeRowsHeader(plan, body);
  const bytes = body.takeBuffer(plan.path, rows.length * plan.width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { id, isSigned } = plan.dictionary ?? { id: -1, isSigned: true };
  const values = dictionaries.get(id);
  const bare = fixedColumn(rows, plan.width, bytes);
  const indices = new Int32Array(rows.length).fill(-1);
  for (let row = 0; row < rows.length; row++) {
    if (isNull(bare, row)) continue;
    const index = readIndex(view, row, plan.width, isSigned);
    if (!values) {
      throw new EiderError(
        "request_invalid",
        `column "${plan.path}": its dictionary ${id} was not sent before the batch`,
      );
    }
    if (index < 0 || index >= values.length) {
      throw malformed(
        `column "${plan.path}" row ${row + 1} has the index ${index} in a dictionary of ${values.length}`,
      );
    }
    indices[row] = index;
  }
  return takeRows(values ?? nullColumn(plan.path, 0), indices, plan.path, body);
}

function readIndex(view: DataView, row: number, width: number, isSigned: boolean): number {
  if (width === 1) return isSigned ? view.getInt8(row) : view.getUint8(row);
  if (width === 2) return isSigned ? view.getInt16(2 * row, true) : view.getUint16(2 * row, true);
  if (width === 4) return isSigned ? view.getInt32(4 * row, true) : view.getUint32(4 * row, true);
  return Number(isSigned ? view.getBigInt64(8 * row, true) : view.getBigUint64(8 * row, true));
}
