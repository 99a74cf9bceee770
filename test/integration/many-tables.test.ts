import { join } from "node:path";
import { expect, test } from "vitest";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { startEider } from "../support/start-eider.ts";

const script = join(REPO, "test", "integration", "python", "many_tables.py");

const TABLES = 100;
const BATCHES = 20;
const ROWS = 2000;
const MEMORY_MB = 16;

test(`${TABLES} tables buffer at once with ${MEMORY_MB} MB each`, async () => {
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
  const sums = await runPython<Record<string, number[]>>(script, { ...job, step: "check" });
  const after = eider.residentMb;
  console.log(
    `RSS: ${before.toFixed(0)} MB at start, ${full.toFixed(0)} MB with ${(bufferedBytes / 1e6).toFixed(0)} MB in ${TABLES} buffers, ${after.toFixed(0)} MB after the flush`,
  );

  const rows = BATCHES * ROWS;
  const expected = [rows, (rows * (rows - 1)) / 2, rows];
  expect(Object.values(sums)).toEqual(Array.from({ length: TABLES }, () => expected));
  expect(bufferedBytes).toBeGreaterThan(TABLES * rows * 50);
  // What the setting promises: each buffer its memory, beside the process itself.
  expect(full).toBeLessThan(before + TABLES * MEMORY_MB + 512);
});
