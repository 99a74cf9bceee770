import { isAscii, isUtf8 } from "node:buffer";
import { EiderError } from "../errors.ts";
import { bytesColumn, type ColumnView, isNull } from "./column-view.ts";

/**
 * Makes sure that each text of a column is valid UTF-8: DuckDB takes text for valid and fails far from the writer where
 * it is not. The whole range is tested at memory speed; offsets need a look only where a character has several bytes.
 */
export function checkText(column: ColumnView): ColumnView {
  const { offsets, data, length } = column;
  const start = offsets[0] ?? 0;
  const range = data.subarray(start, offsets[length] ?? 0);
  if (isAscii(range)) return column;
  if (isUtf8(range) && startsAtCharacters(column)) return column;
  // A NULL's slot may hold any bytes; without them the column may be fine.
  for (let row = 0; row < length; row++) {
    if (isNull(column, row) || isUtf8(data.subarray(offsets[row], offsets[row + 1]))) continue;
    throw new EiderError(
      "request_invalid",
      `column "${column.path}" row ${row + 1} is not valid UTF-8; send it as UTF-8 or as binary`,
    );
  }
  return withoutNullBytes(column);
}

function startsAtCharacters({ offsets, data, length }: ColumnView): boolean {
  const end = offsets[length] ?? 0;
  for (let row = 1; row < length; row++) {
    const at = offsets[row] ?? 0;
    if (at < end && ((data[at] ?? 0) & 0xc0) === 0x80) return false;
  }
  return true;
}

function withoutNullBytes(column: ColumnView): ColumnView {
  const offsets = new Int32Array(column.length + 1);
  const data = new Uint8Array((column.offsets[column.length] ?? 0) - (column.offsets[0] ?? 0));
  let end = 0;
  for (let row = 0; row < column.length; row++) {
    if (!isNull(column, row)) {
      const value = column.data.subarray(column.offsets[row], column.offsets[row + 1]);
      data.set(value, end);
      end += value.byteLength;
    }
    offsets[row + 1] = end;
  }
  return bytesColumn(column, offsets, data);
}
