import { join } from "node:path";
import { expect, test } from "vitest";
import { connect, type EiderClient, FlightError } from "../../src/index.ts";
import { mountSmallDisk, smallDiskProblem } from "../support/small-disk.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { textBatches } from "../support/text-batches.ts";

const problem = smallDiskProblem();
const missing = problem === undefined ? "" : ` (${problem})`;

const DISK_MB = 24;
const ROWS = 500;
/** DuckDB would make little of a text that repeats. */
const text = (id: number) =>
  Array.from({ length: 40 }, (_, i) => ((id * 2654435761 + i * 40503) >>> 0).toString(36)).join("");

const batchesOf = (n: number) =>
  textBatches(
    Array.from({ length: ROWS }, (_, i) => n * ROWS + i),
    text,
  );

/** Puts batches until one is refused; resolves to how many were acknowledged, and the refusal. */
async function fill(client: EiderClient, from: number): Promise<{ acknowledged: number; error: FlightError }> {
  for (let n = from; ; n++) {
    try {
      await client.put("events", batchesOf(n), { maxFailures: 1 });
    } catch (error) {
      if (error instanceof FlightError) return { acknowledged: n, error };
      throw error;
    }
  }
}

async function idsInLake(client: EiderClient): Promise<{ n: number; distinct: number; wrong: number }> {
  await client.flush();
  const result = await client.query(
    "SELECT count(*)::INT AS n, count(DISTINCT id)::INT AS d, (max(id) + 1)::INT AS top FROM events",
  );
  const row = (await result.toTable()).get(0)?.toJSON() as { n: number; d: number; top: number };
  return { n: row.n, distinct: row.d, wrong: row.top - row.d };
}

async function metric(eider: RunningEider, pattern: RegExp): Promise<number> {
  const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  return [...metrics.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Nothing is flushed but by command. */
const STILL = {
  bufferMaxAgeSeconds: 3600,
  bufferMaxRows: 1_000_000,
  shutdownTimeoutSeconds: 60,
  bufferMaxBytes: 2 ** 30,
};

test.skipIf(problem !== undefined)(
  `the segments' disk is full: the batch is refused, what was acknowledged is kept, and room makes it go on${missing}`,
  async () => {
    await using disk = mountSmallDisk(DISK_MB);
    await using eider = await startEider({ settings: { ...STILL, bufferDir: join(disk.path, "buffer") } });
    await using client = await connect(eider.flightUri);
    const { acknowledged, error } = await fill(client, 0);
    expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED", code: "disk_full" });
    expect(error.message).toMatch(/a file of buffer_dir.*No space left on device/);
    expect(error.message).not.toContain(disk.path);
    expect(acknowledged).toBeGreaterThan(10);
    expect(await metric(eider, /^eider_ingest_batches_total\{.*result="rejected"\} (\d+)$/gm)).toBeGreaterThanOrEqual(
      1,
    );
    expect((await fetch(`${eider.httpUrl}/ready`)).status).toBe(200);

    disk.resize(4 * DISK_MB);
    const rows = (acknowledged + 1) * ROWS;
    await client.put("events", batchesOf(acknowledged));
    expect(await idsInLake(client)).toEqual({ n: rows, distinct: rows, wrong: 0 });
    expect((await eider.stop()).code).toBe(0);
  },
);

test.skipIf(problem !== undefined)(
  `the segments' disk is full and the server is killed: the next start finds what was acknowledged${missing}`,
  async () => {
    await using disk = mountSmallDisk(DISK_MB);
    const settings = { ...STILL, bufferDir: join(disk.path, "buffer"), dataPath: join(disk.path, "..", "lake") };
    await using first = await startEider({ settings });
    const client = await connect(first.flightUri);
    const { acknowledged } = await fill(client, 0);
    await first.kill();
    await client.close();
    disk.resize(4 * DISK_MB);
    await using second = await startEider({ settings, dataDir: first.dataDir });
    await using again = await connect(second.flightUri);
    const found = await idsInLake(again);
    expect(found.n).toBe(found.distinct);
    expect(found.wrong).toBe(0);
    // The refused batch was not acknowledged, and may have become durable all the same.
    expect([acknowledged * ROWS, (acknowledged + 1) * ROWS]).toContain(found.n);
    await second.stop();
  },
);

test.skipIf(problem !== undefined)(
  `the data path's disk is full: the flush fails in words, its rows are kept, and room makes it succeed${missing}`,
  async () => {
    await using disk = mountSmallDisk(1);
    await using eider = await startEider({ settings: { ...STILL, dataPath: join(disk.path, "lake") } });
    await using client = await connect(eider.flightUri);
    const batches = 60;
    for (let n = 0; n < batches; n++) await client.put("events", batchesOf(n));
    const failure = await client.flush().catch((error: unknown) => error);
    expect(failure).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      code: "disk_full",
      message: expect.stringMatching(/a file of data_path.*No space left on device/),
    });
    expect(await metric(eider, /^eider_flushes_total\{.*result="failed"\} (\d+)$/gm)).toBeGreaterThanOrEqual(1);
    expect(`${failure}`).not.toContain(disk.path);
    expect(eider.logs).toContain(disk.path);
    expect(eider.logs).toMatch(/a flush failed; its rows are kept and it is tried again/);
    await client.put("events", batchesOf(batches));

    disk.resize(4 * DISK_MB);
    const rows = (batches + 1) * ROWS;
    expect(await idsInLake(client)).toEqual({ n: rows, distinct: rows, wrong: 0 });
    expect((await eider.stop()).code).toBe(0);
  },
);
