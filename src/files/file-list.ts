import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Connection } from "../duck/database.ts";
import { quoteLiteral } from "../duck/sql.ts";
import { EiderError } from "../errors.ts";

export interface FoundFile {
  /** An absolute path, or a URL. */
  readonly path: string;
  readonly sizeBytes: number;
  /**
   * Names this content at this place, and where it is cut: another path, size or time of change gives another, and so does
   * another DuckDB, which may cut the file into other batches.
   */
  readonly fingerprint: string;
}

/**
 * The files that a path, glob or URL names, by DuckDB (https://duckdb.org/docs/stable/guides/file_formats/read_file), sorted.
 * Throws `not_found` when there are none.
 */
export async function listFiles(connection: Connection, pattern: string): Promise<FoundFile[]> {
  const rows = await connection.rows(
    `SELECT filename, size, epoch_us(last_modified) AS changed, version() AS engine FROM read_blob(${quoteLiteral(pattern)}) ORDER BY filename`,
  );
  if (rows.length === 0) {
    const isFolder = statSync(pattern, { throwIfNoEntry: false })?.isDirectory() === true;
    throw new EiderError(
      "not_found",
      isFolder
        ? `${pattern} is a folder: name its files by a glob, '${join(pattern, "*.parquet")}'`
        : `no file is called ${pattern}`,
    );
  }
  return rows.map(({ filename, size, changed, engine }) => {
    const facts = [filename, size, changed, engine].map(String);
    const fingerprint = createHash("sha256").update(JSON.stringify(facts));
    return { path: String(filename), sizeBytes: Number(size), fingerprint: fingerprint.digest("hex").slice(0, 32) };
  });
}
