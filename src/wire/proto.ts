import { fileURLToPath } from "node:url";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import { must } from "../base/assert.ts";
import { EiderError, messageOf } from "../errors.ts";

/**
 * The protobuf messages of `proto/`. Fields keep their names; an unset field is an absent property, so that a proto3
 * `optional` that was sent empty ("" or no bytes) is told from one that was not sent; 64-bit integers are strings.
 */
export interface Codec<T> {
  readonly name: string;
  /** Throws `request_invalid` when the bytes are not such a message. */
  decode(bytes: Uint8Array): T;
  encode(value: T): Buffer;
}

// dist/src/flight/proto.js and src/wire/proto.ts are not equally deep below the package; compiled code is what runs.
const PROTO_DIR = fileURLToPath(new URL("../../../proto/", import.meta.url));

const loaded = loadSync(["any.proto", "Flight.proto", "FlightSql.proto"], {
  keepCase: true,
  longs: String,
  includeDirs: [PROTO_DIR],
});

export const FLIGHT_PACKAGE = "arrow.flight.protocol";
export const SQL_PACKAGE = "arrow.flight.protocol.sql";

export function codecOf<T extends object>(fullName: string): Codec<T> {
  const definition = must(loaded[fullName], `proto/ has no message ${fullName}`) as MessageTypeDefinition<
    object,
    object
  >;
  const name = fullName.slice(fullName.lastIndexOf(".") + 1);
  return {
    name,
    decode(bytes) {
      try {
        return definition.deserialize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as T;
      } catch (error) {
        throw new EiderError("request_invalid", `not a valid ${name} message: ${messageOf(error)}`, { cause: error });
      }
    },
    encode: (value) => definition.serialize(value),
  };
}
