/** Bitmaps as Arrow and DuckDB both keep them: least significant bit first, 1 = valid or true. */

/** Copies bits `from .. from+count` of `source` to bit 0 on of `target`; what follows them in the last byte is undefined. */
export function copyBits(source: Uint8Array, from: number, count: number, target: Uint8Array): void {
  const shift = from & 7;
  const first = from >> 3;
  const bytes = (count + 7) >> 3;
  if (shift === 0) {
    target.set(source.subarray(first, first + bytes));
    return;
  }
  for (let i = 0; i < bytes; i++) {
    target[i] = ((source[first + i] ?? 0) >> shift) | ((source[first + i + 1] ?? 0) << (8 - shift));
  }
}

/** Copies bits `from .. from+count` of `source` to bit `to` on of `target`, whose bits from `to` on are 0. */
export function appendBits(source: Uint8Array, from: number, count: number, target: Uint8Array, to: number): void {
  if (((from | to) & 7) === 0) {
    const bytes = count >> 3;
    target.set(source.subarray(from >> 3, (from >> 3) + bytes), to >> 3);
    const rest = count & 7;
    if (rest > 0) target[(to >> 3) + bytes] = (source[(from >> 3) + bytes] ?? 0) & ((1 << rest) - 1);
    return;
  }
  for (let i = 0; i < count; i++) {
    const bit = ((source[(from + i) >> 3] ?? 0) >> ((from + i) & 7)) & 1;
    const at = (to + i) >> 3;
    target[at] = (target[at] ?? 0) | (bit << ((to + i) & 7));
  }
}

/** Sets bits `from .. from+count`. */
export function setBits(target: Uint8Array, from: number, count: number): void {
  let at = from;
  const end = from + count;
  for (; at < end && (at & 7) !== 0; at++) target[at >> 3] = (target[at >> 3] ?? 0) | (1 << (at & 7));
  if (at < end) target.fill(0xff, at >> 3, end >> 3);
  for (at = Math.max(at, end & ~7); at < end; at++) target[at >> 3] = (target[at >> 3] ?? 0) | (1 << (at & 7));
}

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

/** The number of 1 bits among bits `from .. from+count`. */
export function countOnes(bits: Uint8Array, from: number, count: number): number {
  let ones = 0;
  let at = from;
  const end = from + count;
  for (; at < end && (at & 7) !== 0; at++) ones += ((bits[at >> 3] ?? 0) >> (at & 7)) & 1;
  for (; at + 8 <= end; at += 8) ones += ONES[bits[at >> 3] ?? 0] ?? 0;
  for (; at < end; at++) ones += ((bits[at >> 3] ?? 0) >> (at & 7)) & 1;
  return ones;
}
