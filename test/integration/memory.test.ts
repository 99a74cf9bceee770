import { expect, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { connect, type EiderClient } from "../../src/index.ts";
import { startEider } from "../support/start-eider.ts";

const isLinux = process.platform === "linux";

test.runIf(isLinux)("results that nobody reads to their end do not gather in memory", async () => {
  await using eider = await startEider();
  const before = eider.residentMb;
  let highest = 0;
  await using client = await connect(eider.flightUri);
  for (let i = 0; i < 150; i++) {
    await (await client.query("SELECT range, 'text of row ' || range AS text FROM range(10_000_000)")).cancel();
    highest = Math.max(highest, eider.residentMb);
  }
  // Each holds 20 MB until its handle is collected.
  expect(highest - before).toBeLessThan(500);
});

const STALLED = 60;

/** What so many results take, MB, whose readers have read one batch, while another one is computed to its end. */
async function stalledMb(settings: Partial<Config>): Promise<{ residentMb: number; aheadBytes: number }> {
  await using eider = await startEider({ settings });
  const before = eider.residentMb;
  const rows = 3_000_000;
  const sql = `SELECT range, 'text of row ' || range AS text, range * 1.5 AS x FROM range(${rows})`;
  const clients: EiderClient[] = [];
  for (let i = 0; i < STALLED; i++) {
    const stalled = await connect(eider.flightUri);
    clients.push(stalled);
    expect((await (await stalled.query(sql)).frames().next()).done).toBe(false);
  }
  // Meanwhile the others are computed as far as they may be.
  await using reader = await connect(eider.flightUri);
  for (let i = 0; i < 2; i++) {
    let read = 0;
    for await (const batch of await reader.query(sql)) read += batch.numRows;
    expect(read).toBe(rows);
  }
  const metrics = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  const [, aheadBytes] = /^eider_result_ahead_bytes (\d+)/m.exec(metrics) ?? [];
  const residentMb = eider.residentMb - before;
  for (const client of clients) await client[Symbol.asyncDispose]();
  return { residentMb, aheadBytes: Number(aheadBytes) };
}

test.runIf(isLinux)(`${STALLED} results that their readers do not take are bounded together`, async () => {
  const bounded = await stalledMb({});
  const free = await stalledMb({ resultAheadBytes: 1e12 });
  expect(bounded.aheadBytes).toBeLessThan(135e6);
  expect(free.aheadBytes).toBeGreaterThan(STALLED * 7e6);
  console.log(`RSS: ${bounded.residentMb.toFixed(0)} MB, ${free.residentMb.toFixed(0)} MB without the limit`);
  // DuckDB's vectors take twice what it counts; messages on their way and the scans' own state are in both.
  expect(free.residentMb - bounded.residentMb).toBeGreaterThan(200);
});
