import { FlatTable } from "../arrow/flatbuffer.ts";
import { EiderError } from "../errors.ts";
import type { Frame } from "./backend.ts";

/**
 * The little that the protocol layer must know of an IPC message: its kind, its rows and its body's length. Slots by
 * Message.fbs: `Message { version, header_type, header, bodyLength }`, `RecordBatch { length, … }`.
 */
export interface MessageFacts {
  readonly kind: "schema" | "dictionary" | "batch";
  readonly bodyLength: number;
  /** Rows of a batch; 0 for the others. */
  readonly rows: number;
}

const KINDS: Readonly<Record<number, MessageFacts["kind"]>> = { 1: "schema", 2: "dictionary", 3: "batch" };

const HEADER_TYPE_SLOT = 1;
const HEADER_SLOT = 2;
const BODY_LENGTH_SLOT = 3;
const BATCH_LENGTH_SLOT = 0;

/** Throws `request_invalid` when `header` is not a flatbuffer Message of a kind that Flight carries. */
export function readMessage(header: Uint8Array): MessageFacts {
  const message = FlatTable.root(header);
  const kind = KINDS[message.uint8(HEADER_TYPE_SLOT)];
  if (!kind) throw new EiderError("request_invalid", "the Arrow message is no schema, dictionary or record batch");
  const bodyLength = message.int64(BODY_LENGTH_SLOT, "the body's length");
  const rows = kind === "batch" ? (message.table(HEADER_SLOT)?.int64(BATCH_LENGTH_SLOT, "the batch's length") ?? 0) : 0;
  return { kind, bodyLength, rows };
}

const CONTINUATION = 0xffffffff;

/** Cuts an IPC stream that this process wrote into its messages, the schema first. */
export function splitStream(stream: Uint8Array): Frame[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at + 8 <= stream.length && view.getUint32(at, true) === CONTINUATION; ) {
    const headerLength = view.getInt32(at + 4, true);
    if (headerLength === 0) break;
    const header = stream.subarray(at + 8, at + 8 + headerLength);
    const bodyAt = at + 8 + headerLength;
    const { bodyLength } = readMessage(header);
    frames.push({ header, body: stream.subarray(bodyAt, bodyAt + bodyLength) });
    at = bodyAt + bodyLength;
  }
  return frames;
}
