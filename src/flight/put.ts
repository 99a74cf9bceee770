import { EiderError } from "../errors.ts";
import { AckQueue } from "./ack-queue.ts";
import type { PutMessages } from "./put-messages.ts";
import type { Env } from "./services.ts";

/**
 * DoPut to a path: yields the `app_metadata` of one PutResult per batch, in order, each when its batch is durable. Reading
 * goes on meanwhile, within `max_put_batches_in_flight` and `max_put_bytes_in_flight`, so that batches of one stream share
 * a commit. A refused batch ends the stream after the results of those before it.
 */
export async function* putPath(path: readonly string[], messages: PutMessages, env: Env): AsyncGenerator<Uint8Array> {
  const { context, services } = env;
  const session = await context.session();
  const schema = await messages.schema();
  if (!schema) throw new EiderError("request_invalid", `the stream to ${path.join(".")} has no schema`);
  const stream = await session.put(path, schema);
  const { maxPutBatchesInFlight, maxPutBytesInFlight } = services.limits;
  const acks = new AckQueue<{ rows: number; seq: number } | undefined>(maxPutBatchesInFlight, maxPutBytesInFlight);
  const read = async () => {
    for await (const { frame, metadata } of messages.batches()) {
      const bytes = frame.header.length + frame.body.length;
      if (!(await acks.start(bytes, () => stream.put(frame, metadata)))) return;
    }
  };
  // Not awaited when the stream fails: it then waits for the client's next message, which ends it with the call.
  void read().then(
    () => acks.end(),
    (error: unknown) => acks.fail(error),
  );
  try {
    for (;;) {
      const ack = await context.until(acks.next());
      if (ack.end) return;
      if (ack.value) yield Buffer.from(JSON.stringify({ rows: ack.value.rows, seq: ack.value.seq }));
    }
  } finally {
    await acks.stop();
    await stream.close();
  }
}
