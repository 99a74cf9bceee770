import { maskSecrets } from "../base/secrets.ts";
import { EiderError, type ErrorCode, messageOf } from "../errors.ts";
import { adviseOnConflict } from "./conflicts.ts";

/** The answer to a COMMIT was lost, or its cleaning up failed: it may have taken effect. */
const IN_DOUBT = /Failed to execute query "COMMIT"|Could not remove file/;

/**
 * DuckDB's errors, told apart by their text (its C API passes no code through the Node binding). Rows are tried in order,
 * the first match wins; texts as measured on 1.5.5.
 */
const ROWS: ReadonlyArray<readonly [RegExp, ErrorCode]> = [
  [/INTERRUPT Error|Interrupted!/, "cancelled"],
  [IN_DOUBT, "lake_unavailable"],
  [/transaction is launched in read-only mode/, "not_a_read"],
  [
    /Transaction conflict|Conflict on (tuple|update)|another transaction has (altered|dropped)|write-write conflict/i,
    "write_conflict",
  ],
  // Another process writes to the catalog: SQLite's words, and PostgreSQL's.
  [/database is locked|could not serialize access|deadlock detected|due to lock timeout/, "write_conflict"],
  [
    /Exceeded the maximum retry count|Failed to commit DuckLake transaction(?![\s\S]*(server closed|terminating connection|no connection to|HTTP (PUT|GET|HEAD|POST)|No space left|ENOSPC|Out of Memory))/,
    "write_conflict",
  ],
  [/Current transaction is aborted/, "transaction_aborted"],
  [/Out of Memory Error|could not allocate|failed to pin block/i, "out_of_memory"],
  [/No space left on device|ENOSPC|max_temp_directory_size/, "disk_full"],
  [
    /(Table|View|Schema|Index|Macro|Type|Sequence|Entry|Secret) with name .* already exists|already exists!?$|Catalog Error: .*already exists/,
    "already_exists",
  ],
  [
    /Catalog Error: (Table|View|Schema) with name|Table with name .* does not exist|Binder Error: (Catalog|Schema) .* does not exist/,
    "table_not_found",
  ],
  [
    /Catalog Error: (.* does not exist|SET schema: No catalog)|Binder Error: (Referenced .* not found|Table .* does not have a column|Column .* in EXCLUDE list not found)/,
    "not_found",
  ],
  [/^Extension Autoloading Error/, "not_found"],
  // Files that a statement names; those of the lake itself (ducklake-…) are not the user's to mend.
  [
    /^IO Error: (No files found that match|Extension "|Failed to download extension|Cannot open (file|database) "(?![^"]*\/ducklake-)[^"]*"[^"]*(No such file|does not exist))/,
    "not_found",
  ],
  [
    /^IO Error: .*(Permission denied|Is a directory|Not a directory|File exists|File name too long|not a valid DuckDB database file)/,
    "sql_invalid",
  ],
  // What a format of files has no form for.
  [/^IO Error: Parquet files do not support/, "sql_invalid"],
  [/Constraint Error/, "constraint_violated"],
  [
    /server closed the connection|terminating connection due to|no connection to the server|connection to server .* failed|connection has been closed/i,
    "lake_unavailable",
  ],
  [
    /^(Parser|Binder|Catalog|Conversion|Invalid Input|Syntax|Mismatch Type|Out of Range|Parameter Not Allowed|Parameter Not Resolved|Invalid Type|Not implemented|Expression|Decimal|Serialization|Settings|Dependency|Sequence|Missing Extension|Invalid Configuration|TransactionContext|Permission) Error/i,
    "sql_invalid",
  ],
  [/^(Invalid|Permission|Missing)/, "sql_invalid"],
  [/No statement to prepare/, "sql_invalid"],
  [
    /Could not (connect|set lock)|connection refused|server closed the connection|HTTP (PUT|GET|HEAD|POST)|^HTTP Error/i,
    "lake_unavailable",
  ],
];

/** Behind an INTERNAL error: addresses and paths of this machine, which are nobody else's business. The cause keeps it. */
const STACK_TRACE = /\n+Stack Trace:[\s\S]*$/;

/** Turns whatever DuckDB threw into an EiderError with DuckDB's text; an EiderError passes unchanged. */
export function fromDuckError(error: unknown): EiderError {
  if (error instanceof EiderError) return error;
  // Drivers of catalogs and stores repeat the connection string, password and all, and clients are told the text.
  const text = maskSecrets(messageOf(error).replace(STACK_TRACE, ""));
  const row = ROWS.find(([pattern]) => pattern.test(text));
  const code = row ? row[1] : "internal";
  if (IN_DOUBT.test(text)) {
    return new EiderError(
      code,
      `${text}: it is not known whether the transaction was committed. Before it is run again, look for what it wrote, or for a ` +
        `snapshot of this time in SELECT * FROM lake.snapshots()`,
      {
        cause: error,
      },
    );
  }
  return new EiderError(code, ADVICE[code]?.(text) ?? text, { cause: error });
}

/** What of DuckDB's text is told in other words. */
const ADVICE: { readonly [C in ErrorCode]?: (text: string) => string } = {
  write_conflict: adviseOnConflict,
  disk_full: withoutPaths,
  sql_invalid: adviseOnKeys,
};

/** DuckLake has no constraints; a primary key is Eider's, and there is no ALTER TABLE for it. */
function adviseOnKeys(text: string): string {
  if (!text.includes("Adding indexes or constraints is not supported in DuckLake")) return text;
  return `${text}: CALL eider_set_primary_key('schema.table', ['column', …]) gives a table a primary key`;
}

/** The settings that say where files are, by the files' names. */
const PLACES: ReadonlyArray<readonly [RegExp, string]> = [
  // Of a large bulk ingest, before the lake has it.
  [/\.duckdb\.parquet\//, "buffer_dir"],
  [/\.parquet$/, "data_path"],
  [/\.(ducklake|sqlite)(\.wal.*)?$/, "catalog"],
  [/(seg|stage|compact)-|tokens\.duckdb|\.wal$/, "buffer_dir"],
];

/** This machine's paths are nobody else's business; the cause keeps them for the log. */
function withoutPaths(text: string): string {
  return text.replace(/(?:\bfile )?(["'])(\/[^"']*)\1/g, (_match, _quote, path: string) => {
    const place = PLACES.find(([pattern]) => pattern.test(path))?.[1] ?? "data_dir";
    return `a file of ${place}`;
  });
}

/** COMMIT took effect although it reported an error (the checkpoint after it failed). */
export function isDurableAnyway(error: unknown): boolean {
  return /COMMIT succeeded and is durable/.test(messageOf(error));
}

/** The instance (or the attached file) cannot be used any more and must be opened anew. */
export function isFatal(error: unknown): boolean {
  return /FATAL Error|INTERNAL Error|has been invalidated/.test(messageOf(error));
}
