/**
 * A decoded column: checked, and laid out as DuckDB keeps it, so that writing it is copying.
 * - `fixed`: `width` bytes a value in `data`, in DuckDB's own representation.
 * - `bits`: one bit a value in `data`, least significant first.
 * - `bytes`: texts or blobs; value i is `data[offsets[i] .. offsets[i+1]]`. Texts are valid UTF-8.
 * - `list`: list i is the elements `offsets[i] .. offsets[i+1]` of the only child; a map is a list of structs.
 * - `struct`: one child per member, each at least as long as the struct.
 * - `null`: nothing but NULLs.
 */
export type ColumnKind = "fixed" | "bits" | "bytes" | "list" | "struct" | "null";

export interface ColumnView {
  readonly kind: ColumnKind;
  /** The field's name with its parents' names before it, for messages. */
  readonly path: string;
  readonly length: number;
  /** One bit a row, least significant first, 1 = not NULL; undefined: no row is NULL. */
  readonly validity: Uint8Array | undefined;
  readonly width: number;
  readonly data: Uint8Array;
  readonly offsets: Int32Array;
  readonly children: readonly ColumnView[];
}

const NO_BYTES = new Uint8Array(0);
const NO_OFFSETS = new Int32Array(1);
const NO_CHILDREN: readonly ColumnView[] = [];

type Rows = Pick<ColumnView, "path" | "length" | "validity">;

export function fixedColumn({ path, length, validity }: Rows, width: number, data: Uint8Array): ColumnView {
  return { kind: "fixed", path, length, validity, width, data, offsets: NO_OFFSETS, children: NO_CHILDREN };
}

export function bitsColumn({ path, length, validity }: Rows, data: Uint8Array): ColumnView {
  return { kind: "bits", path, length, validity, width: 0, data, offsets: NO_OFFSETS, children: NO_CHILDREN };
}

export function bytesColumn({ path, length, validity }: Rows, offsets: Int32Array, data: Uint8Array): ColumnView {
  return { kind: "bytes", path, length, validity, width: 0, data, offsets, children: NO_CHILDREN };
}

export function listColumn({ path, length, validity }: Rows, offsets: Int32Array, child: ColumnView): ColumnView {
  return { kind: "list", path, length, validity, width: 0, data: NO_BYTES, offsets, children: [child] };
}

export function structColumn({ path, length, validity }: Rows, children: readonly ColumnView[]): ColumnView {
  return { kind: "struct", path, length, validity, width: 0, data: NO_BYTES, offsets: NO_OFFSETS, children };
}

export function nullColumn(path: string, length: number): ColumnView {
  return {
    kind: "null",
    path,
    length,
    validity: undefined,
    width: 0,
    data: NO_BYTES,
    offsets: NO_OFFSETS,
    children: NO_CHILDREN,
  };
}

export function isNull(column: ColumnView, row: number): boolean {
  if (column.kind === "null") return true;
  return column.validity !== undefined && (((column.validity[row >> 3] ?? 0) >> (row & 7)) & 1) === 0;
}

/** A typed view of bytes, copied first when they are not aligned for it. */
export function int32sOf(bytes: Uint8Array, count: number): Int32Array {
  const aligned = bytes.byteOffset & 3 ? bytes.slice(0, count * 4) : bytes;
  return new Int32Array(aligned.buffer, aligned.byteOffset, count);
}

export function int64sOf(bytes: Uint8Array, count: number): BigInt64Array {
  const aligned = bytes.byteOffset & 7 ? bytes.slice(0, count * 8) : bytes;
  return new BigInt64Array(aligned.buffer, aligned.byteOffset, count);
}
