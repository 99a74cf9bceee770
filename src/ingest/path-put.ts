import { z } from "zod";
import type { Target } from "../base/target.ts";
import { type AppendOptions, type AppendStream, OPS } from "../buffer/types.ts";
import { EiderError } from "../errors.ts";
import type { IngestServices } from "./services.ts";
import { readyBuffer, storableColumns } from "./targets.ts";

/** Without what a VARCHAR would not give back as it was: the token would be unknown after a restart, or be another's. */
const Token = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[^\0\p{Surrogate}]*$/u, "a token is text without NUL and without half a surrogate pair");

/** A batch's own `app_metadata`, all optional. */
const BatchMetadata = z.object({ op: z.enum(OPS).optional(), token: Token.optional() }).strict();

/** Each batch of the stream becomes durable by itself; calls may overlap and keep their order. */
export class PathPut {
  readonly #services: IngestServices;
  readonly #target: Target;
  readonly #stream: AppendStream;

  private constructor(services: IngestServices, target: Target, stream: AppendStream) {
    this.#services = services;
    this.#target = target;
    this.#stream = stream;
  }

  static async open(services: IngestServices, target: Target, schema: Uint8Array, session: string): Promise<PathPut> {
    const shape = await readyBuffer(services, target, () => storableColumns(schema));
    return new PathPut(services, shape.target, await services.buffers.appendToBuffer(shape.target, schema, session));
  }

  async put(
    frame: { readonly header: Uint8Array; readonly body: Uint8Array },
    metadata: Uint8Array | undefined,
  ): Promise<{ rows: number; seq: number } | undefined> {
    const startedMs = performance.now();
    const bytes = frame.body.byteLength;
    const record = (result: "appended" | "duplicate" | "rejected", rows: number) =>
      this.#services.observer.wrote(this.#target, "put", result, rows, bytes, performance.now() - startedMs);
    try {
      const result = await this.#stream.append(frame, parseMetadata(metadata));
      if (!result) return undefined;
      record(result.duplicate ? "duplicate" : "appended", result.rows);
      return { rows: result.rows, seq: result.seq };
    } catch (error) {
      record("rejected", 0);
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#stream.close();
  }
}

function parseMetadata(bytes: Uint8Array | undefined): AppendOptions {
  if (!bytes || bytes.byteLength === 0) return {};
  const usage = 'app_metadata of a batch is JSON: {"op":"insert"|"upsert"|"delete","token":"…"}, both optional';
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new EiderError("request_invalid", usage, { cause: error });
  }
  const parsed = BatchMetadata.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new EiderError("request_invalid", `${usage}; ${issue?.path.join(".") || "it"}: ${issue?.message}`);
  }
  const { op, token } = parsed.data;
  return { ...(op === undefined ? {} : { op }), ...(token === undefined ? {} : { token }) };
}
