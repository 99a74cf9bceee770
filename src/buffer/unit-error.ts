import { fromDuckError, isFatal } from "../duck/errors.ts";
import { EiderError, messageOf } from "../errors.ts";

/**
 * The error of a batch that DuckDB refused although its schema fits. A value that a CAST refuses is the client's; any
 * other SQL error here would be ours. An instance that died was not the batch's fault: it may be sent again.
 */
export function unitError(error: unknown): EiderError {
  if (isFatal(error)) {
    return new EiderError("buffer_unavailable", `the segment's DuckDB instance failed: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const mapped = fromDuckError(error);
  if (mapped.code !== "sql_invalid" && mapped.code !== "not_found") return mapped;
  const text = messageOf(error).split("\n\nLINE ")[0] ?? "";
  if (/^(Conversion|Out of Range|Invalid Input|Decimal) Error/.test(text)) {
    return new EiderError("schema_mismatch", `a value of the batch does not fit its column's type: ${text}`, {
      cause: error,
    });
  }
  return new EiderError("internal", text, { cause: error });
}
