import { existsSync } from "node:fs";
import { open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { connect, type EiderClient } from "../../src/index.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { textBatches } from "../support/text-batches.ts";

const ROWS = 500;
const BATCHES = 4;
const DAMAGED = 1;

const word = (id: number) => `word-${id}-${(id * 2654435761) >>> 0}`;

const batchesOf = (n: number) =>
  textBatches(
    Array.from({ length: ROWS }, (_, i) => n * ROWS + i),
    word,
  );

/** Flips one bit of a text that a segment of the table holds; resolves to the segment's path. */
async function damage(bufferDir: string, table: string, text: string): Promise<string> {
  const names = await readdir(bufferDir, { recursive: true });
  for (const name of names.filter((each) => each.includes(`.${table}`) && each.endsWith(".duckdb"))) {
    const path = join(bufferDir, name);
    const at = (await readFile(path)).indexOf(text);
    if (at < 0) continue;
    await using file = await open(path, "r+");
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
    return path;
  }
  throw new Error(`no segment of ${table} holds ${text}`);
}

async function idsOf(client: EiderClient, table: string): Promise<number[]> {
  const result = await client.query(`SELECT id::INT AS id FROM ${table} ORDER BY id`);
  return [...(await result.toTable())].map((row) => Number(row?.toJSON()["id"]));
}

const idsWithout = (batch: number) =>
  Array.from({ length: BATCHES * ROWS }, (_, id) => id).filter((id) => Math.floor(id / ROWS) !== batch);

// Each batch fills a segment, and nothing comes to the lake before the server is killed.
const HELD = { "commit.before_begin": { action: "error" } } as const;
const settings = { bufferMaxRows: ROWS, bufferMaxAgeSeconds: 3600 };

test.each([
  ["append-only", ""],
  ["keyed", ", PRIMARY KEY (id)"],
])(
  "one bit of a sealed segment is flipped, %s: it is set aside in words, all other rows are flushed",
  async (_, key) => {
    await using folder = tempDir("damaged");
    await using first = await startEider({ dataDir: folder.path, settings, failpoints: HELD });
    const writer = await connect(first.flightUri);
    await writer.execute(`CREATE TABLE events (id BIGINT, text VARCHAR${key})`);
    for (const table of ["events", "others"]) {
      for (let n = 0; n < BATCHES; n++) await writer.put(table, batchesOf(n), { token: () => `${table}-${n}` });
    }
    await first.kill();
    await writer.close();
    const path = await damage(join(folder.path, "buffer"), "events", word(DAMAGED * ROWS + ROWS / 2));

    await using second = await startEider({ dataDir: folder.path, settings });
    await using client = await connect(second.flightUri);
    await vi.waitFor(async () => expect(await idsOf(client, "events")).toEqual(idsWithout(DAMAGED)), {
      timeout: 60_000,
      interval: 100,
    });
    expect(await idsOf(client, "others")).toHaveLength(BATCHES * ROWS);
    expect(existsSync(path)).toBe(false);
    const aside = await readdir(join(folder.path, "buffer", "quarantine"), { recursive: true });
    expect(aside.filter((name) => name.endsWith(".duckdb"))).toHaveLength(1);
    expect(second.logs).toMatch(/a damaged segment was set aside/);
    expect(second.logs).toMatch(/500 acknowledged rows in it are not in the lake/);
    expect(await (await fetch(`${second.httpUrl}/metrics`)).text()).toMatch(/^eider_quarantined_segments_total 1$/m);

    // The lost batch comes again under its token, and is stored; the others are known.
    for (let n = 0; n < BATCHES; n++) await client.put("events", batchesOf(n), { token: () => `events-${n}` });
    await client.flush();
    expect(await idsOf(client, "events")).toEqual(Array.from({ length: BATCHES * ROWS }, (_, id) => id));
    expect((await second.stop()).code).toBe(0);

    // By its numbers it looks flushed now.
    const kept = aside.find((name) => name.endsWith(".duckdb")) ?? "";
    await rename(join(folder.path, "buffer", "quarantine", kept), path);
    await using third = await startEider({ dataDir: folder.path, settings });
    expect(third.logs).toMatch(/was put back/);
    expect(existsSync(path)).toBe(false);
    expect(await readdir(join(folder.path, "buffer", "quarantine"), { recursive: true })).toContain(kept);
  },
);

const TOKEN = "token-of-a-batch-";

test("tokens that cannot be read at a start: the rows are flushed, and the loss is told", async () => {
  await using folder = tempDir("damaged");
  await using first = await startEider({ dataDir: folder.path, settings, failpoints: HELD });
  const writer = await connect(first.flightUri);
  for (let n = 0; n < BATCHES; n++) await writer.put("events", batchesOf(n), { token: () => `${TOKEN}${n}` });
  await first.kill();
  await writer.close();
  await damage(join(folder.path, "buffer"), "events", `${TOKEN}${DAMAGED}`);
  await using second = await startEider({ dataDir: folder.path, settings });
  await using client = await connect(second.flightUri);
  await client.flush();
  expect(await idsOf(client, "events")).toHaveLength(BATCHES * ROWS);
  expect(second.logs).toMatch(/the segment's tokens cannot be read/);
});
