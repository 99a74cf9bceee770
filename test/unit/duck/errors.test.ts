import { describe, expect, it } from "vitest";
import { conflictClass } from "../../../src/duck/conflicts.ts";
import { fromDuckError } from "../../../src/duck/errors.ts";

const COMMIT = "TransactionContext Error: Failed to commit: Failed to commit DuckLake transaction.\n";

describe("a transaction that could not be committed", () => {
  it.each([
    [
      "rebase",
      `${COMMIT}Transaction conflict - attempting to delete from table with index "3" - but another transaction has deleted from it`,
    ],
    [
      "rebase",
      `${COMMIT}Transaction conflict - attempting to insert into table with index "3" - but another transaction has altered it`,
    ],
    [
      "final",
      `${COMMIT}Transaction conflict - attempting to create table "t" in schema "main" - but this table has been created by another transaction already`,
    ],
    ["now", `${COMMIT}Exceeded the maximum retry count of 100 set by the ducklake_max_retry_count setting`],
    ["now", "IO Error: Failed to execute: database is locked"],
    ["now", 'Failed to execute query "UPDATE x": ERROR:  could not serialize access due to concurrent update'],
  ])("is a conflict of class %s, and says that nothing was committed: %s", (kind, text) => {
    const error = fromDuckError(new Error(text));
    expect(error.code).toBe("write_conflict");
    expect(conflictClass(error)).toBe(kind);
    expect(error.message).toMatch(/: nothing of the transaction was committed; .*again/);
  });

  it.each([
    [
      "lake_unavailable",
      `${COMMIT}Failed to execute query "COMMIT": server closed the connection unexpectedly`,
      /not known whether/,
    ],
    ["lake_unavailable", `${COMMIT}Could not remove file "s3://b/x.parquet": Forbidden`, /not known whether/],
    [
      "lake_unavailable",
      `${COMMIT}Failed to execute query "SELECT 1": server closed the connection unexpectedly`,
      /closed the connection/,
    ],
    [
      "disk_full",
      `${COMMIT}IO Error: Could not write file "/srv/lake/main/t/ducklake-1.parquet": No space left on device`,
      /Could not write a file of data_path: No space left on device$/,
    ],
    [
      "disk_full",
      'IO Error: Could not write all bytes to file "/srv/buffer/main.t/seg-1.duckdb.wal": No space left on device',
      /^IO Error: Could not write all bytes to a file of buffer_dir: No space/,
    ],
    [
      "disk_full",
      'IO Error: Could not write file "/srv/buffer/main.t/seg-1.duckdb.parquet/0.parquet": No space left on device',
      /Could not write a file of buffer_dir: No space/,
    ],
    ["disk_full", `${COMMIT}IO Error: Could not write file: No space left on device`, /No space left on device$/],
  ])("is %s otherwise: %s", (code, text, message) => {
    expect(fromDuckError(new Error(text))).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

it("what Parquet has no form for is the statement's error", () => {
  const error = fromDuckError(new Error("IO Error: Parquet files do not support negative intervals"));
  expect(error.code).toBe("sql_invalid");
});
