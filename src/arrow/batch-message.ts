/**
 * The bare flatbuffer `Message` of a record batch. Its layout never varies but for the two vectors at its end, so it is
 * written in place: a general builder costs more than the rest of a small result.
 * Slots by Message.fbs and RecordBatch in it (https://github.com/apache/arrow/tree/main/format); layout of tables and
 * vtables: https://flatbuffers.dev/internals/. Offsets count from the field that holds them.
 */

const VERSION_V5 = 4;
const HEADER_RECORD_BATCH = 3;

const MESSAGE_VTABLE = 4;
const MESSAGE = 16;
const BATCH_VTABLE = 40;
const BATCH = 56;
/** Count of nodes; the nodes follow, aligned to 8. */
const NODES = 84;
const STRUCT_BYTES = 16;

const WORD = 2 ** 32;

/** Everything before the vectors, with the numbers still 0. */
const TEMPLATE = ((): Uint8Array => {
  const view = new DataView(new ArrayBuffer(NODES + 4));
  view.setUint32(0, MESSAGE, true);
  // Its bytes, the table's bytes, then the place of each field: version, header_type, header, bodyLength.
  [12, 24, 16, 18, 4, 8].forEach((value, i) => {
    view.setUint16(MESSAGE_VTABLE + 2 * i, value, true);
  });
  view.setInt32(MESSAGE, MESSAGE - MESSAGE_VTABLE, true);
  view.setUint32(MESSAGE + 4, BATCH - (MESSAGE + 4), true);
  view.setInt16(MESSAGE + 16, VERSION_V5, true);
  view.setUint8(MESSAGE + 18, HEADER_RECORD_BATCH);
  // length, nodes, buffers
  [10, 24, 8, 4, 16].forEach((value, i) => {
    view.setUint16(BATCH_VTABLE + 2 * i, value, true);
  });
  view.setInt32(BATCH, BATCH - BATCH_VTABLE, true);
  view.setUint32(BATCH + 4, NODES - (BATCH + 4), true);
  return new Uint8Array(view.buffer);
})();

/** `nodes`: length and null count of each; `regions`: offset and length of each buffer. */
export function batchMessage(
  rowCount: number,
  nodes: readonly number[],
  regions: readonly number[],
  bodyBytes: number,
): Uint8Array {
  const buffers = NODES + 4 + 8 * nodes.length + 4;
  const bytes = new Uint8Array(buffers + 4 + 8 * regions.length);
  bytes.set(TEMPLATE);
  const view = new DataView(bytes.buffer);
  setInt64(view, MESSAGE + 8, bodyBytes);
  setInt64(view, BATCH + 8, rowCount);
  view.setUint32(BATCH + 16, buffers - (BATCH + 16), true);
  setStructs(view, NODES, nodes);
  setStructs(view, buffers, regions);
  return bytes;
}

function setStructs(view: DataView, at: number, numbers: readonly number[]): void {
  view.setUint32(at, (8 * numbers.length) / STRUCT_BYTES, true);
  for (let i = 0; i < numbers.length; i++) setInt64(view, at + 4 + 8 * i, numbers[i] ?? 0);
}

/** Not negative, and at most 2^53. */
function setInt64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / WORD), true);
}
