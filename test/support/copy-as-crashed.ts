import { copyFileSync } from "node:fs";

/** Copies a DuckDB file that is open, and its WAL, as a crash at this moment would leave them. */
export function copyAsCrashed(path: string, copy: string): void {
  for (const suffix of ["", ".wal"]) copyFileSync(path + suffix, copy + suffix);
}
