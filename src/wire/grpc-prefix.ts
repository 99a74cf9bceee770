/**
 * gRPC sends each message behind five bytes: a flag for compression and the message's length
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). grpc-js copies every message into a buffer of its own
 * to put them there; a batch of rows is made with room for them instead.
 */

export const PREFIX_BYTES = 5;

const wholes = new WeakMap<Uint8Array, Buffer>();

/** Writes the prefix of the message that follows it in `whole`; returns the message. */
export function prefixed(whole: Buffer): Buffer {
  const message = whole.subarray(PREFIX_BYTES);
  whole[0] = 0;
  whole.writeUInt32BE(message.byteLength, 1);
  wholes.set(message, whole);
  return message;
}

/** Has the call send messages that are prefixed already as they are. Private to grpc-js (1.14): without it they are copied. */
export function sendUncopied(call: object): void {
  const inner: unknown = Reflect.get(call, "call");
  const serialize: unknown =
    typeof inner === "object" && inner !== null ? Reflect.get(inner, "serializeMessage") : null;
  if (typeof serialize !== "function") return;
  Reflect.set(
    inner as object,
    "serializeMessage",
    (message: Uint8Array) => wholes.get(message) ?? Reflect.apply(serialize, inner, [message]),
  );
}
