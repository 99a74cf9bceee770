import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";

export interface SendOptions {
  readonly mediaType: string;
  readonly holdBackBytes: number;
  /** Aborts when the rest is not wanted any more. */
  readonly signal: AbortSignal;
  /** Called when an answer that has begun fails; what it returns is written before the connection is cut. */
  readonly onFailure: (error: unknown) => string | undefined;
}

/**
 * Answers with the pieces as they come. Rejects when they fail before the answer has begun; after that a failure cuts the
 * connection, so that nobody takes a part for the whole.
 */
export async function sendPieces(
  reply: FastifyReply,
  pieces: AsyncGenerator<Uint8Array>,
  { mediaType, holdBackBytes, signal, onFailure }: SendOptions,
): Promise<FastifyReply> {
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  while (heldBytes <= holdBackBytes) {
    const next = await pieces.next();
    if (next.done) return reply.type(mediaType).send(Buffer.concat(held));
    held.push(next.value);
    heldBytes += next.value.byteLength;
  }
  reply.type(mediaType).hijack();
  const { raw } = reply;
  raw.writeHead(200, reply.getHeaders() as Record<string, string>);
  try {
    for (const piece of held.splice(0)) await write(raw, piece, signal);
    for await (const piece of pieces) await write(raw, piece, signal);
    raw.end();
  } catch (error) {
    const line = onFailure(error);
    // Destroyed only once the line is with the operating system; a reader that has stopped reading never gets it.
    if (line === undefined || raw.writableNeedDrain || raw.destroyed) raw.destroy();
    else raw.write(line, () => raw.destroy());
  } finally {
    await pieces.return(undefined);
  }
  return reply;
}

/** Resolves when there is room for more. */
async function write(raw: ServerResponse, piece: Uint8Array, signal: AbortSignal): Promise<void> {
  if (raw.write(piece) || piece.byteLength === 0) return;
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const settle = () => {
      raw.off("drain", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    raw.once("drain", settle);
    signal.addEventListener("abort", settle, { once: true });
  });
}
