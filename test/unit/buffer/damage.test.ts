import { expect, test } from "vitest";
import { damageOf } from "../../../src/buffer/damage.ts";

const CHECKSUM =
  "IO Error: Corrupt database file: computed checksum 10211538747439729589 does not match stored checksum 8545847900591639477 in block at location 682803";
const READ = 'IO Error: Could not read from file "/data/buffer/seg-a.duckdb": Input/output error';

test.each([
  [CHECKSUM, true, true],
  ['IO Error: Could not read enough bytes from file "/data/buffer/seg-a.duckdb": attempted to read 262144', true, true],
  [READ, false, true],
  ['IO Error: Could not read from file "/data/buffer/seg-a.duckdb": Stale file handle', false, false],
  ['IO Error: Cannot open file "/data/buffer/seg-a.duckdb": Cannot allocate memory', false, false],
  ['IO Error: Cannot open database "/data/buffer/seg-a.duckdb": database does not exist', false, true],
  ['IO Error: Cannot open file "/data/buffer/seg-a.duckdb": Too many open files', false, false],
  ['IO Error: Cannot open file "/data/buffer/seg-a.duckdb": Permission denied', false, false],
  ["Out of Memory Error: could not allocate block of size 256.0 KiB (15.9 MiB/16.0 MiB used)", false, false],
  ["Binder Error: No function matches the given name and argument types", false, false],
  ["INTERRUPT Error: Interrupted!", false, false],
])("%s", (text, atOnce, lasting) => {
  expect(damageOf(new Error(text), false)).toBe(atOnce ? text : undefined);
  expect(damageOf(new Error(text), true)).toBe(lasting ? text : undefined);
});
