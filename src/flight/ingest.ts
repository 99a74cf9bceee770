import { EiderError } from "../errors.ts";
import type { IngestCommand } from "../wire/messages.ts";
import type { IngestOptions } from "./backend.ts";
import type { PutMessages } from "./put-messages.ts";
import type { Env } from "./services.ts";

/** CommandStatementIngest's TableNotExistOption and TableExistsOption; 0, unspecified, is an error by the specification. */
const IF_NOT_EXISTS: Readonly<Record<number, IngestOptions["ifNotExists"]>> = { 1: "create", 2: "fail" };
const IF_EXISTS: Readonly<Record<number, IngestOptions["ifExists"]>> = { 1: "fail", 2: "append", 3: "replace" };

export function ingestOptions(command: IngestCommand): IngestOptions {
  const definition = command.table_definition_options ?? {};
  const ifNotExists = IF_NOT_EXISTS[definition.if_not_exist ?? 0];
  const ifExists = IF_EXISTS[definition.if_exists ?? 0];
  if (!ifNotExists || !ifExists) {
    throw new EiderError(
      "request_invalid",
      "table_definition_options must say what to do if the table exists (fail, append, replace) and if not (create, fail)",
    );
  }
  if (!command.table) throw new EiderError("request_invalid", "the ingest names no table");
  const { catalog, schema, transaction_id } = command;
  return {
    ...(catalog ? { catalog } : {}),
    ...(schema ? { schema } : {}),
    ...(transaction_id?.length ? { transaction: Buffer.from(transaction_id).toString("utf8") } : {}),
    table: command.table,
    temporary: command.temporary ?? false,
    ifNotExists,
    ifExists,
    options: command.options ?? {},
  };
}

/** All of the stream or nothing; resolves to the number of rows once they are durable. */
export async function ingest(command: IngestCommand, messages: PutMessages, { context }: Env): Promise<number> {
  const options = ingestOptions(command);
  const schema = await messages.schema();
  if (!schema) throw new EiderError("request_invalid", `the ingest into ${options.table} has no schema`);
  const session = await context.session();
  const stream = await session.ingest(options, schema);
  try {
    for await (const { frame } of messages.batches()) await context.until(stream.write(frame));
    context.throwIfAborted();
    return await context.until(stream.finish());
  } finally {
    await stream.abort();
  }
}
