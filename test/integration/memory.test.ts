import { expect, test } from "vitest";
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

test.runIf(isLinux)("sixty results that their readers do not take are bounded together", async () => {
  await using eider = await startEider();
  const before = eider.residentMb;
  const rows = 3_000_000;
  const sql = `SELECT range, 'text of row ' || range AS text, range * 1.5 AS x FROM range(${rows})`;
  const clients: EiderClient[] = [];
  for (let i = 0; i < 60; i++) {
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
  const [, taken] = /^eider_result_ahead_bytes (\d+)/m.exec(metrics) ?? [];
  expect(Number(taken)).toBeLessThan(135e6);
  // 1.1 GB with 8 MB for each.
  expect(eider.residentMb - before).toBeLessThan(850);
  for (const client of clients) await client[Symbol.asyncDispose]();
});
