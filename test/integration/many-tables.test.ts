import { join } from "node:path";
import { expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";

const script = join(REPO, "test", "integration", "python", "many_tables.py");

const TABLES = 100;
const BATCHES = 20;
const ROWS = 4000;
const MEMORY_MB = 16;
/** Open segments share as much as so many may have. */
const WHOLE_SEGMENTS = 32;
/** What DuckDB does not count of an instance, DuckLake's description of a table, and what the allocator keeps. */
const TABLE_MB = 9;

test(`${TABLES} tables buffer and flush at once in the memory of ${WHOLE_SEGMENTS}`, async () => {
  await using eider = await startEider({
    settings: {
      bufferMemoryMb: MEMORY_MB,
      // Nothing is flushed before it is asked for.
      bufferMaxRows: 10_000_000,
      bufferMaxBytes: 1_000_000_000,
      bufferMaxAgeSeconds: 86_400,
    },
  });
  const job = { uri: eider.flightUri, tables: TABLES, batches: BATCHES, rows: ROWS };
  const before = eider.residentMb;
  await runPython(script, { ...job, step: "fill" });
  const full = eider.residentMb;
  const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  const bufferedBytes = [...metrics.matchAll(/^eider_buffer_bytes\{.*\} (\d+)/gm)].reduce(
    (sum, m) => sum + Number(m[1]),
    0,
  );
  let greatest = full;
  const watch = setInterval(() => {
    greatest = Math.max(greatest, eider.residentMb);
  }, 100);
  const sums = await runPython<Record<string, number[]>>(script, { ...job, step: "check" });
  clearInterval(watch);
  const after = eider.residentMb;
  console.log(
    `RSS: ${before.toFixed(0)} MB at start, ${full.toFixed(0)} MB with ${(bufferedBytes / 1e6).toFixed(0)} MB in ${TABLES} buffers, ${greatest.toFixed(0)} MB at most, ${after.toFixed(0)} MB after the flush`,
  );

  const rows = BATCHES * ROWS;
  const expected = [rows, (rows * (rows - 1)) / 2, rows];
  expect(Object.values(sums)).toEqual(Array.from({ length: TABLES }, () => expected));
  expect(bufferedBytes).toBeGreaterThan(TABLES * rows * 50);
  expect(greatest).toBeLessThan(before + WHOLE_SEGMENTS * MEMORY_MB + TABLES * TABLE_MB);
});

/** DuckDB takes a COMMIT back incompletely then, so that the segment's checkpoint failed until it was tried again. */
test("batches whose COMMIT runs out of memory are stored with more of it, and their segments sealed at once", async () => {
  const [tables, batches, rows] = [2, 20, 30_000];
  await using eider = await startEider({
    settings: {
      bufferMemoryMb: 1,
      bufferMaxRows: 10_000_000,
      bufferMaxBytes: 1_000_000_000,
      bufferMaxAgeSeconds: 86_400,
    },
  });
  const job = { uri: eider.flightUri, tables, batches, rows };
  await runPython(script, { ...job, step: "fill" });
  const sums = await runPython<Record<string, number[]>>(script, { ...job, step: "check" });
  const count = batches * rows;
  const expected = [count, (count * (count - 1)) / 2, count];
  expect(Object.values(sums)).toEqual([expected, expected]);
  expect(eider.logs).not.toContain("sealing a segment failed");
});
