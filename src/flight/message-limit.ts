import { LimitError } from "../errors.ts";

/**
 * grpc-js refuses a message by the length that it announces, before any of it is kept, in words that name no setting, and
 * its handler hears of a client that went away. Here both hear the reason. Private to grpc-js (1.14: `call.call.decoder`):
 * without it the refusal stays, in its own words.
 */
export function refuseLargeMessages(call: object, limitBytes: number, onRefused: (error: LimitError) => void): void {
  const inner: unknown = Reflect.get(call, "call");
  const decoder: unknown = isObject(inner) ? Reflect.get(inner, "decoder") : undefined;
  const write: unknown = isObject(decoder) ? Reflect.get(decoder, "write") : undefined;
  if (!isObject(decoder) || typeof write !== "function") return;
  Reflect.set(decoder, "write", (data: Buffer) => {
    try {
      return Reflect.apply(write, decoder, [data]);
    } catch {
      const bytes: unknown = Reflect.get(decoder, "readMessageSize");
      const error = new LimitError(
        "too_large",
        "max_message_bytes",
        `a message of ${bytes} bytes is larger than max_message_bytes (${limitBytes}): send smaller batches`,
      );
      onRefused(error);
      throw error;
    }
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
