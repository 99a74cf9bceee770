import { EiderError } from "../errors.ts";
import { type ColumnView, isNull } from "./column-view.ts";
import { malformed } from "./flatbuffer.ts";

/** DuckDB's maps have no NULL keys and no key twice, and nothing behind this point looks; Arrow's need not be so. */
export function checkMap(column: ColumnView): ColumnView {
  const [entries] = column.children;
  const [keys] = entries?.children ?? [];
  if (!entries || !keys) throw malformed(`map column "${column.path}" has no entries`);
  const { offsets } = column;
  for (let row = 0; row < column.length; row++) {
    if (isNull(column, row)) continue;
    const from = offsets[row] ?? 0;
    const to = offsets[row + 1] ?? 0;
    const seen = new Set<string>();
    for (let i = from; i < to; i++) {
      if (isNull(entries, i) || isNull(keys, i)) {
        throw new EiderError("request_invalid", `column "${column.path}" row ${row + 1}: a map's key must not be NULL`);
      }
      if (to - from === 1) continue;
      const key = keyText(keys, i);
      if (seen.has(key)) {
        throw new EiderError("request_invalid", `column "${column.path}" row ${row + 1}: a map has one key twice`);
      }
      seen.add(key);
    }
  }
  return column;
}

/** A text that is equal exactly for equal values of one column. */
function keyText(column: ColumnView, row: number): string {
  if (isNull(column, row)) return "N;";
  const { kind, width, offsets } = column;
  if (kind === "bits") return `${((column.data[row >> 3] ?? 0) >> (row & 7)) & 1};`;
  if (kind === "struct") return column.children.map((child) => keyText(child, row)).join("");
  const from = kind === "fixed" ? row * width : (offsets[row] ?? 0);
  const to = kind === "fixed" ? from + width : (offsets[row + 1] ?? 0);
  if (kind === "list") {
    const [child] = column.children;
    return `${to - from}[${Array.from({ length: to - from }, (_, i) => (child ? keyText(child, from + i) : "")).join("")}`;
  }
  return `${to - from}:${Buffer.from(column.data.buffer, column.data.byteOffset + from, to - from).toString("latin1")}`;
}
