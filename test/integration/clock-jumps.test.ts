import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { connect, type EiderClient } from "../../src/index.ts";
import { FakeTime, fakeTimeProblem } from "../support/fake-time.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { textBatches } from "../support/text-batches.ts";

const problem = fakeTimeProblem();
const missing = problem === undefined ? "" : ` (${problem})`;

const JUMPS = ["-1h", "+1d"] as const;
const HOUR_MS = 3_600_000;

const batchesOf = (ids: readonly number[]) => textBatches(ids, (id) => `row ${id}`);

/** Until the server's time of day is as far from the real one. */
async function untilClockIs(eider: RunningEider, offsetMs: number): Promise<void> {
  for (;;) {
    const response = await fetch(`${eider.httpUrl}/status.json`);
    const { nowMs } = (await response.json()) as { nowMs: number };
    if (Math.abs(nowMs - Date.now() - offsetMs) < HOUR_MS / 2) return;
    await sleep(50);
  }
}

async function counted(eider: RunningEider, pattern: RegExp): Promise<number> {
  const response = await fetch(`${eider.httpUrl}/metrics`);
  expect(response.status).toBe(200);
  return [...(await response.text()).matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

const agedFlushes = (eider: RunningEider) =>
  counted(eider, /^eider_flushes_total\{.*reason="age",result="committed"\} (\d+)$/gm);

async function value(client: EiderClient, sql: string): Promise<unknown> {
  const [row] = (await (await client.query(sql)).toTable()).toArray();
  return Object.values(row?.toJSON() ?? {})[0];
}

const OFFSETS_MS = { "-1h": -HOUR_MS, "+1d": 24 * HOUR_MS };

test.skipIf(problem !== undefined)(
  `a clock that jumps makes each buffer due once, and no batch of a token is stored twice${missing}`,
  async () => {
    await using dir = tempDir("clock");
    const clock = new FakeTime(join(dir.path, "time"));
    await using eider = await startEider({
      env: clock.env,
      settings: { bufferMaxAgeSeconds: 1800, sweepIntervalSeconds: 0.05, tokenRetentionSeconds: 3600 },
    });
    await using client = await connect(eider.flightUri);
    await client.query("CREATE TEMP TABLE mine AS SELECT 42 AS a");
    let ids = 0;
    const put = async () => {
      const id = ids++;
      await client.put("events", batchesOf([id]), { token: () => `token ${id}` });
    };
    await put();
    for (const [i, jump] of JUMPS.entries()) {
      clock.set(jump);
      await untilClockIs(eider, OFFSETS_MS[jump]);
      while ((await agedFlushes(eider)) < i + 1) await sleep(20);
      // Many sweeps' time: what is written after the jump is young.
      for (let n = 0; n < 100; n++) await put();
      expect(await agedFlushes(eider), jump).toBe(i + 1);
      // A client that never heard of its acknowledgement sends again.
      await client.put("events", batchesOf([0]), { token: () => "token 0" });
      expect(await value(client, "SELECT a FROM mine")).toBe(42);
    }
    await client.flush();
    expect(await value(client, "SELECT count(*)::INT AS n FROM events")).toBe(ids);
    expect(await value(client, "SELECT count(DISTINCT id)::INT AS n FROM events")).toBe(ids);
    expect((await eider.stop()).code).toBe(0);
  },
);

test.skipIf(problem !== undefined)(
  `writers go on over jumps of the clock, and what they write is flushed by its age${missing}`,
  async () => {
    await using dir = tempDir("clock");
    const clock = new FakeTime(join(dir.path, "time"));
    await using eider = await startEider({ env: clock.env, settings: { bufferMaxAgeSeconds: 0.5 } });
    await using client = await connect(eider.flightUri);
    let isOver = false;
    const write = async (writer: number) => {
      let count = 0;
      try {
        await using own = await connect(eider.flightUri);
        while (!isOver) await own.put("events", batchesOf([writer * 1_000_000 + count++]));
        return count;
      } finally {
        // One that failed ends the test.
        isOver = true;
      }
    };
    const writers = [1, 2].map(write);
    try {
      for (const jump of [...JUMPS, "+0"] as const) {
        clock.set(jump);
        await untilClockIs(eider, jump === "+0" ? 0 : OFFSETS_MS[jump]);
        const before = await agedFlushes(eider);
        while (!isOver && (await agedFlushes(eider)) < before + 3) await sleep(20);
      }
    } finally {
      isOver = true;
    }
    const rows = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
    await client.flush();
    expect(await value(client, "SELECT count(*)::INT AS n FROM events")).toBe(rows);
    expect(await value(client, "SELECT count(DISTINCT id)::INT AS n FROM events")).toBe(rows);
    expect((await eider.stop()).code).toBe(0);
  },
);

test.skipIf(problem !== undefined)(
  `a token outlives a restart after the clock went ahead, which the next process starts with${missing}`,
  async () => {
    await using dir = tempDir("clock");
    const clock = new FakeTime(join(dir.path, "time"));
    const options = {
      env: clock.env,
      settings: { bufferMaxAgeSeconds: 1e6, tokenRetentionSeconds: 3600 },
      dataDir: join(dir.path, "data"),
    };
    const put = (client: EiderClient) => client.put("events", batchesOf([0]), { token: () => "token 0" });
    {
      await using eider = await startEider(options);
      clock.set("+1d");
      await untilClockIs(eider, OFFSETS_MS["+1d"]);
      await using client = await connect(eider.flightUri);
      await put(client);
    }
    await using eider = await startEider(options);
    await untilClockIs(eider, OFFSETS_MS["+1d"]);
    await using client = await connect(eider.flightUri);
    await put(client);
    await client.flush();
    expect(await value(client, "SELECT count(*)::INT AS n FROM events")).toBe(1);
  },
);
