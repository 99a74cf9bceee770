import { describe, expect, it } from "vitest";
import type { BufferView } from "../../../src/buffer/types.ts";
import { dueReason, flushSpacingMs } from "../../../src/flush/triggers.ts";

const LIMITS = { maxRows: 100, maxBytes: 1_000, maxAgeMs: 5_000 };
const NOW_MS = 50_000;

const view = (openRows: number, openBytes: number, openSinceMs: number | undefined): BufferView => ({
  target: { schema: "main", table: "t" },
  openRows,
  openBytes,
  openSinceMs,
  sealedSegments: 0,
  sealedRows: 0,
  sealedBytes: 0,
  oldestMs: openSinceMs,
  diskBytes: 0,
  lastSeq: openRows,
});

describe("dueReason", () => {
  it.each([
    [view(0, 0, undefined), undefined],
    [view(99, 999, NOW_MS - 4_999), undefined],
    [view(100, 0, NOW_MS), "rows"],
    [view(1, 1_000, NOW_MS), "bytes"],
    [view(1, 1, NOW_MS - 5_000), "age"],
    [view(100, 1_000, 0), "rows"],
    // The clock was set back.
    [view(1, 1, NOW_MS + 60_000), "age"],
  ])("case %#", (buffer, reason) => {
    expect(dueReason(buffer, NOW_MS, LIMITS)).toBe(reason);
  });

  it("a full disk seals whatever is open", () => {
    expect(dueReason(view(1, 1, NOW_MS), NOW_MS, { ...LIMITS, isDiskFull: true })).toBe("memory");
    expect(dueReason(view(0, 0, undefined), NOW_MS, { ...LIMITS, isDiskFull: true })).toBeUndefined();
  });

  it("nothing is sealed for its age while earlier segments wait to be tried again", () => {
    const limits = { ...LIMITS, isRetrying: true };
    expect(dueReason(view(1, 1, NOW_MS - 60_000), NOW_MS, limits)).toBeUndefined();
    expect(dueReason(view(LIMITS.maxRows, 1, NOW_MS - 60_000), NOW_MS, limits)).toBe("rows");
  });

  it("an age without bound never seals", () => {
    expect(dueReason(view(1, 1, 0), NOW_MS, { ...LIMITS, maxAgeMs: Number.POSITIVE_INFINITY })).toBeUndefined();
  });
});

it.each([
  ["half of the age that rows may have", 1_000, 5_000, 2_500],
  ["at most three seconds", 1_000, 60_000, 3_000],
  ["no less than between two looks", 1_000, 500, 1_000],
  ["no less than between two looks that are rare", 10_000, 5_000, 10_000],
])("flushes of a busy table: %s", (_, sweepIntervalMs, maxAgeMs, spacingMs) => {
  expect(flushSpacingMs(sweepIntervalMs, maxAgeMs)).toBe(spacingMs);
});
