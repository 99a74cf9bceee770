/** Apart from what writes them, so that `--help` does not load it. */
export const FORMAT_NAMES = ["table", "csv", "json", "ndjson", "arrow", "parquet"] as const;

export type FormatName = (typeof FORMAT_NAMES)[number];

/** Not for a terminal. */
export const IS_BINARY: ReadonlySet<FormatName> = new Set(["arrow", "parquet"]);
