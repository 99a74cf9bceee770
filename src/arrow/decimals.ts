import { fixedColumn, int32sOf, isNull } from "./column-view.ts";
import { type Converter, refuseValue } from "./convert.ts";

/** The widest DECIMAL of DuckDB, in digits. */
export const MAX_DECIMAL_DIGITS = 38;

/** Bytes of DuckDB's representation of a DECIMAL by its width (https://duckdb.org/docs/stable/sql/data_types/numeric). */
export function decimalBytes(width: number): 2 | 4 | 8 | 16 {
  if (width <= 4) return 2;
  if (width <= 9) return 4;
  return width <= 18 ? 8 : 16;
}

/** DECIMAL(width, scale) for an Arrow decimal; undefined when DuckDB has none wide enough. */
export function decimalShape(precision: number, scale: number): { width: number; scale: number } | undefined {
  // A negative scale counts zeros before the point; a scale beyond the precision counts zeros after it.
  const width = scale < 0 ? precision - scale : Math.max(precision, scale);
  return precision >= 1 && width <= MAX_DECIMAL_DIGITS ? { width, scale: Math.max(scale, 0) } : undefined;
}

/**
 * Arrow decimals of `bitWidth` bits to DuckDB's. A client's value may be beyond its declared precision; DuckDB would
 * cut it when it narrows, so each is checked.
 */
export function decimalConverter(bitWidth: number, precision: number, scale: number): Converter {
  const shape = decimalShape(precision, scale);
  const targetBytes = decimalBytes(shape?.width ?? MAX_DECIMAL_DIGITS);
  const words = bitWidth / 32;
  const bound = 10n ** BigInt(precision);
  // Below this a double, which is off by less than 1e-15 of the value, decides; above it the integer itself is compared.
  const surely = Number(bound) * (1 - 1e-12);
  const factor = scale < 0 ? 10n ** BigInt(-scale) : 1n;

  return (column) => {
    const source = int32sOf(column.data, column.length * words);
    const target = new Uint8Array(column.length * targetBytes);
    const targetWords = new Int32Array(target.buffer, 0, target.byteLength >> 2);
    const targetShorts = new Int16Array(target.buffer);
    for (let row = 0; row < column.length; row++) {
      if (isNull(column, row)) continue;
      const at = row * words;
      let approximate = source[at + words - 1] ?? 0;
      for (let i = words - 2; i >= 0; i--) approximate = approximate * 2 ** 32 + ((source[at + i] ?? 0) >>> 0);
      if (Math.abs(approximate) >= surely || factor !== 1n) {
        const exact = integerAt(source, at, words);
        if (exact >= bound || exact <= -bound) {
          throw refuseValue(column, row, exact, `has more than the ${precision} digits that its type declares`);
        }
        if (factor !== 1n) {
          writeInteger(target, row * targetBytes, targetBytes, exact * factor);
          continue;
        }
      }
      if (targetBytes === 2) targetShorts[row] = source[at] ?? 0;
      else {
        const sign = (source[at + words - 1] ?? 0) >> 31;
        const count = targetBytes >> 2;
        for (let i = 0; i < count; i++) targetWords[row * count + i] = i < words ? (source[at + i] ?? 0) : sign;
      }
    }
    return fixedColumn(column, targetBytes, target);
  };
}

/** The little-endian two's complement integer of `words` 32-bit words. */
function integerAt(source: Int32Array, at: number, words: number): bigint {
  let value = BigInt(source[at + words - 1] ?? 0);
  for (let i = words - 2; i >= 0; i--) value = (value << 32n) | BigInt((source[at + i] ?? 0) >>> 0);
  return value;
}

function writeInteger(target: Uint8Array, at: number, bytes: number, value: bigint): void {
  let rest = value;
  for (let i = 0; i < bytes; i++) {
    target[at + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}
