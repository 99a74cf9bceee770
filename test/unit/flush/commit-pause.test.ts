import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Target } from "../../../src/base/target.ts";
import { nextPauseMs, restMs } from "../../../src/flush/commit-pause.ts";
import { query } from "../lake/lake-fixture.ts";
import { FlusherFixture, settled } from "./flusher-fixture.ts";

const LIMITS = { greatestMs: 5_000, maxAgeMs: 2_000 };
const QUICK = { commitMs: 30, conflicts: 0 };

describe("nextPauseMs", () => {
  it("a quick catalog is not rested from", () => {
    expect(nextPauseMs(0, QUICK, LIMITS)).toBe(0);
    expect(nextPauseMs(0, { commitMs: 250, conflicts: 8 }, LIMITS)).toBe(0);
  });

  it("goes half way to what the commit took beyond a quick one, for each attempt", () => {
    expect(nextPauseMs(0, { commitMs: 1_250, conflicts: 0 }, LIMITS)).toBe(500);
    expect(nextPauseMs(500, { commitMs: 1_250, conflicts: 0 }, LIMITS)).toBe(750);
    expect(nextPauseMs(0, { commitMs: 1_250, conflicts: 2 }, LIMITS)).toBe(1_500);
    expect(nextPauseMs(0, { commitMs: 60_000, conflicts: 0 }, LIMITS)).toBe(2_500);
  });

  const cost = fc.record({ commitMs: fc.double({ min: 0, max: 1e6, noNaN: true }), conflicts: fc.nat(20) });
  const limits = fc.record({ greatestMs: fc.double({ min: 0, max: 1e5, noNaN: true }), maxAgeMs: fc.nat(1e6) });

  it("stays within its limit, however it began, and 0 turns it off", () => {
    fc.assert(
      fc.property(fc.array(cost, { maxLength: 50 }), limits, fc.nat(1e6), (costs, bounds, present) => {
        let pauseMs = present;
        for (const one of costs) {
          pauseMs = nextPauseMs(pauseMs, one, bounds);
          expect(pauseMs).toBeGreaterThanOrEqual(0);
          expect(pauseMs).toBeLessThanOrEqual(bounds.greatestMs);
        }
        expect(nextPauseMs(present, QUICK, { ...bounds, greatestMs: 0 })).toBe(0);
      }),
    );
  });

  it("a slower commit, or one with more conflicts, is never followed by a shorter rest", () => {
    fc.assert(
      fc.property(cost, cost, limits, fc.nat(1e4), (one, other, bounds, present) => {
        const worse = {
          commitMs: Math.max(one.commitMs, other.commitMs),
          conflicts: Math.max(one.conflicts, other.conflicts),
        };
        expect(nextPauseMs(present, worse, bounds)).toBeGreaterThanOrEqual(nextPauseMs(present, one, bounds));
      }),
    );
  });

  it("is gone after a few quick commits", () => {
    fc.assert(
      fc.property(limits, (bounds) => {
        let pauseMs = bounds.greatestMs;
        for (let i = 0; i < 20; i++) pauseMs = nextPauseMs(pauseMs, QUICK, bounds);
        expect(pauseMs).toBe(0);
      }),
    );
  });
});

describe("restMs", () => {
  const instant = fc.record({ pauseMs: fc.nat(5_000), endedMs: fc.nat(1e7), nowMs: fc.nat(1e7) });
  const rows = fc.record({ oldestMs: fc.nat(1e7), isUrgent: fc.boolean() });

  it("is what is left of the pause since the last commit", () => {
    const waiting = { oldestMs: 10_000, isUrgent: false };
    expect(restMs({ pauseMs: 3_000, endedMs: 10_000, nowMs: 11_000 }, waiting, LIMITS)).toBe(2_000);
    expect(restMs({ pauseMs: 3_000, endedMs: 10_000, nowMs: 13_000 }, waiting, LIMITS)).toBe(0);
    expect(restMs({ pauseMs: 3_000, endedMs: 10_000, nowMs: 11_000 }, { ...waiting, isUrgent: true }, LIMITS)).toBe(0);
  });

  it("is over when the clock was set back, so that it cannot last until the clock has caught up", () => {
    const waiting = { oldestMs: 20_000, isUrgent: false };
    expect(restMs({ pauseMs: 3_000, endedMs: 20_000, nowMs: 19_999 }, waiting, LIMITS)).toBe(0);
  });

  it("carries no row beyond its age and the longest rest, and is never longer than the pause", () => {
    fc.assert(
      fc.property(instant, rows, (at, waiting) => {
        const leftMs = restMs(at, waiting, LIMITS);
        expect(leftMs).toBeGreaterThanOrEqual(0);
        expect(leftMs).toBeLessThanOrEqual(at.pauseMs);
        if (leftMs > 0)
          expect(at.nowMs + leftMs).toBeLessThanOrEqual(waiting.oldestMs + LIMITS.maxAgeMs + LIMITS.greatestMs);
      }),
    );
  });
});

describe("a flusher whose catalog is slow", () => {
  let fixture: FlusherFixture;
  let commitMs: number;

  beforeEach(async () => {
    fixture = await FlusherFixture.make({ pauseLimits: { greatestMs: 5_000, maxAgeMs: 10_000_000 } });
    commitMs = 4_250;
    fixture.report = (result) => ({ ...result, phasesMs: { ...result.phasesMs, commit: commitMs } });
  });

  afterEach(() => fixture[Symbol.asyncDispose]());

  const seal = (of: Target, id: number) => fixture.seal(of, id, "age");
  const count = async (name: string) => (await query(fixture.lake, `SELECT count(*)::INT AS n FROM ${name}`))[0]?.["n"];

  it("rests, and then commits all tables and segments that have gathered as one; a quick catalog ends that", async () => {
    const { flusher, buffers, clock, commits } = fixture;
    const tables = [await fixture.table("a"), await fixture.table("b"), await fixture.table("c")];
    const [a] = tables as [Target];
    await seal(a, 0);
    await settled(() => expect(flusher.pauseMs).toBe(2_000));
    for (let id = 1; id <= 3; id++) for (const t of tables) await seal(t, id);
    clock.advance(1_999);
    expect(commits).toEqual([["ax1"]]);
    expect(buffers.compacting).toBe(0);
    commitMs = 10;
    clock.advance(1);
    await settled(() => expect(commits).toEqual([["ax1"], ["ax3", "bx3", "cx3"]]));
    await settled(() => expect(flusher.pauseMs).toBe(1_000));
    await settled(() => expect(buffers.sealed(a)).toEqual([]));
    for (let i = 0; i < 11; i++) {
      await seal(a, 10 + i);
      clock.advance(1_000);
      await settled(() => expect(buffers.sealed(a)).toEqual([]));
    }
    expect(flusher.pauseMs).toBe(0);
    expect([await count("a"), await count("b"), await count("c")]).toEqual([15, 3, 3]);
  });

  it("somebody who waits for the lake does not wait for a rest, and takes the others along", async () => {
    const { flusher, buffers, commits } = fixture;
    const [a, b] = [await fixture.table("a"), await fixture.table("b")];
    await seal(a, 0);
    await settled(() => expect(flusher.pauseMs).toBeGreaterThan(0));
    await seal(b, 1);
    buffers.append(a, [2, "x"]);
    await flusher.flush(a, "command");
    expect(commits).toEqual([["ax1"], ["ax1", "bx1"]]);
  });

  it("short room ends a rest", async () => {
    const { flusher, buffers, commits } = fixture;
    const a = await fixture.table("a");
    await seal(a, 0);
    await settled(() => expect(flusher.pauseMs).toBeGreaterThan(0));
    await fixture.seal(a, 1, "memory");
    await settled(() => expect(commits).toHaveLength(2));
    await settled(() => expect(buffers.sealed(a)).toEqual([]));
  });
});
