import { EiderError } from "../errors.ts";
import type { NameDefaults } from "../query/own-statement.ts";

/** DuckDB knows no schema of the queue's name, and says so where a statement wants more of it than an INSERT. */
export function explainQueueMisuse(error: unknown, { queueSchema, targetSchema }: NameDefaults): unknown {
  if (!(error instanceof EiderError)) return error;
  const [, unknown] = /(?:schema|catalog) "([^"]+)" (?:does not exist|not found)/i.exec(error.message) ?? [];
  if (unknown?.toLowerCase() !== queueSchema.toLowerCase()) return error;
  return new EiderError(
    error.code,
    `${queueSchema} takes INSERT INTO ${queueSchema}.TABLE alone, rows for ${targetSchema}.TABLE: create, read and change ` +
      `${targetSchema}.TABLE itself; rows for another schema come in by bulk ingest or DoPut\n${error.message}`,
    { cause: error },
  );
}
