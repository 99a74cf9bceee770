import { join } from "node:path";
import { qualifiedName, quoteLiteral } from "../duck/sql.ts";
import { parquetFolderOf } from "./buffer-folder.ts";
import type { ParquetFile } from "./types.ts";

/** Where a segment's rows are: in its table `rows`, or in Parquet files beside it. */
export interface RowsPlace {
  readonly path: string;
  readonly parquet: readonly ParquetFile[];
}

export function parquetPaths({ path, parquet }: RowsPlace): string[] {
  return parquet.map(({ name }) => join(parquetFolderOf(path), name));
}

export function parquetBytesOf(files: readonly ParquetFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The rows as SQL that can stand behind FROM; `alias` is the name under which the file is attached. Has a `rowid`, from 0. */
export function rowsSql(alias: string, place: RowsPlace): string {
  if (place.parquet.length === 0) return qualifiedName(alias, "main", "rows");
  let before = 0;
  const selects = parquetPaths(place).map((path, i) => {
    const source = `read_parquet(${quoteLiteral(path)}, file_row_number = true, hive_partitioning = false)`;
    const select = `SELECT * EXCLUDE (file_row_number), file_row_number + ${before} AS rowid FROM ${source}`;
    before += place.parquet[i]?.rows ?? 0;
    return select;
  });
  return `(${selects.join(" UNION ALL ")})`;
}
