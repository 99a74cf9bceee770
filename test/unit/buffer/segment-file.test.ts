import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exposeCollector } from "../../../src/base/garbage.ts";
import { RowLayout } from "../../../src/buffer/row-layout.ts";
import { SegmentFile } from "../../../src/buffer/segment-file.ts";
import { copyAsCrashed } from "../../support/copy-as-crashed.ts";
import { tempDir } from "../../support/temp-dir.ts";

const layout = new RowLayout({
  target: { schema: "main", table: "t" },
  columns: [{ name: "id", type: "INTEGER", nullable: true }],
  primaryKey: [],
});

async function addRow(file: SegmentFile, id: number): Promise<void> {
  await file.connection.runInThread("BEGIN");
  await file.connection.run(`INSERT INTO seg.main.rows VALUES (${id})`);
  await file.connection.runInThread("COMMIT");
}

function descriptorsOf(path: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const place = readlinkSync(`/proc/self/fd/${fd}`);
      return place.startsWith(path) ? [place] : [];
    } catch {
      return [];
    }
  });
}

test("a file that is closed is let go of at once, and nobody writes it when its handles are collected", async () => {
  await using dir = tempDir();
  const path = join(dir.path, "seg-1.duckdb");
  const first = await SegmentFile.open(path, { memoryMb: 16 });
  await first.connection.transaction(() => first.createTables(layout));
  await addRow(first, 1);
  await first[Symbol.asyncDispose]();
  expect(descriptorsOf(path)).toEqual([]);

  await using second = await SegmentFile.open(path, { memoryMb: 16 });
  await addRow(second, 2);
  const collect = exposeCollector();
  for (let i = 0; i < 5; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await addRow(second, 3);
  const copy = join(dir.path, "seg-2.duckdb");
  copyAsCrashed(path, copy);
  await using crashed = await SegmentFile.open(copy, { memoryMb: 16 });
  expect(await crashed.countRows()).toBe(3);
});

test("a file that is closed while its memory is read waits for the answer, which the instance would not survive", async () => {
  await using dir = tempDir();
  for (let round = 0; round < 30; round++) {
    const file = await SegmentFile.open(join(dir.path, `seg-${round}.duckdb`), { memoryMb: 16 });
    const readings = [file.usage(), file.usage()];
    await (round % 2 === 0 ? file.detach() : file[Symbol.asyncDispose]());
    for (const { memoryBytes } of await Promise.all(readings)) expect(memoryBytes).toBeGreaterThanOrEqual(0);
  }
});
