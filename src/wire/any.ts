import { EiderError } from "../errors.ts";
import { AnyCodec } from "./messages.ts";
import { type Codec, SQL_PACKAGE } from "./proto.ts";

const URL_HOST = "type.googleapis.com/";

/** A message inside an Any; `name` is the message's name without the Flight SQL package, else the whole type URL. */
export interface Packed {
  readonly name: string;
  readonly value: Uint8Array;
}

/**
 * Undefined when the bytes are not an Any. Commands are sent by type URL; scripts also send plain SQL text, and text may
 * begin with any byte, a line feed (which is an Any's first byte) included: the URL's host decides.
 */
export function unpackAny(bytes: Uint8Array): Packed | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = buffer.subarray(0, 8).indexOf("type");
  if (
    buffer[0] !== 0x0a ||
    at < 2 ||
    !buffer.subarray(at).toString("latin1", 0, URL_HOST.length).startsWith(URL_HOST)
  ) {
    return undefined;
  }
  const any = AnyCodec.decode(buffer);
  const url = any.type_url ?? "";
  const prefix = `${URL_HOST}${SQL_PACKAGE}.`;
  return { name: url.startsWith(prefix) ? url.slice(prefix.length) : url, value: any.value ?? new Uint8Array(0) };
}

export function packAny<T>(codec: Codec<T>, value: T): Buffer {
  return AnyCodec.encode({ type_url: `${URL_HOST}${SQL_PACKAGE}.${codec.name}`, value: codec.encode(value) });
}

/** The request of a Flight SQL action; an empty body is taken for an empty request. */
export function unpackAs<T>(codec: Codec<T>, bytes: Uint8Array): T {
  if (bytes.length === 0) return codec.decode(bytes);
  const packed = unpackAny(bytes);
  if (packed?.name !== codec.name) {
    throw new EiderError(
      "request_invalid",
      `the body must be a google.protobuf.Any that holds a ${codec.name}, not ${packed ? `a ${packed.name}` : "something else"}`,
    );
  }
  return codec.decode(packed.value);
}
