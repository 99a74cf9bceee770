import { describe, expect, it } from "vitest";
import { backoffMs } from "../../../src/base/backoff.ts";
import { CONFLICT_CLASSES, type ConflictClass } from "../../../src/duck/conflicts.ts";
import { fromDuckError } from "../../../src/duck/errors.ts";
import { EiderError } from "../../../src/errors.ts";
import { COMMITTERS, type Committer, RETRIES, Retries } from "../../../src/lake/retries.ts";

const TEXTS: Readonly<Record<ConflictClass, string>> = {
  now: "database is locked",
  rebase: "Transaction conflict - attempting to delete from table - but another transaction has deleted from it",
  final:
    'Transaction conflict - attempting to create table "t" - but it has been created by another transaction already',
};
const conflict = (kind: ConflictClass) => fromDuckError(new Error(TEXTS[kind]));

/** What a run did: `waits` in ms, `events` in order. */
function record() {
  const waits: number[] = [];
  const events: string[] = [];
  const retries = new Retries({
    rebase: () => events.push("rebase"),
    onConflict: (committer, kind) => events.push(`${committer} ${kind}`),
    wait: async (ms) => void waits.push(ms),
  });
  return { waits, events, retries };
}

describe("backoffMs", () => {
  const backoff = { firstMs: 1_000, greatestMs: 60_000 };

  it("doubles from the first to the greatest, less up to a half", () => {
    const whole = [1, 2, 3, 7, 40].map((count) => backoffMs(backoff, count, () => 1));
    expect(whole).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
    expect(backoffMs(backoff, 1, () => 0)).toBe(500);
    expect(backoffMs(backoff, 100, () => 0)).toBe(30_000);
  });
});

describe("retries after a conflict", () => {
  const cases = COMMITTERS.flatMap((committer) => CONFLICT_CLASSES.map((kind) => [committer, kind] as const));

  it.each(cases)("%s, class %s: as often as its row says, then the conflict itself", async (committer, kind) => {
    const row = RETRIES[committer as Committer][kind];
    const { waits, events, retries } = record();
    let attempts = 0;
    const run = retries.run(committer, async () => {
      attempts++;
      throw conflict(kind);
    });
    await expect(run).rejects.toMatchObject({ code: "write_conflict", message: expect.stringContaining(TEXTS[kind]) });
    expect(attempts).toBe(row.most + 1);
    expect(waits).toHaveLength(row.most);
    for (const [i, ms] of waits.entries()) {
      const fullMs = Math.min(row.greatestMs, row.firstMs * 2 ** i);
      expect(ms).toBeGreaterThanOrEqual(fullMs / 2);
      expect(ms).toBeLessThanOrEqual(fullMs);
    }
    expect(events.filter((event) => event === `${committer} ${kind}`)).toHaveLength(row.most + 1);
    expect(events.filter((event) => event === "rebase")).toHaveLength(row.before === "rebase" ? row.most : 0);
  });

  it("what is known of tables is forgotten between the conflict and the next attempt", async () => {
    const { events, retries } = record();
    let attempts = 0;
    const run = retries.run("ensure", async () => {
      events.push("attempt");
      if (attempts++ === 0) throw conflict("final");
      return "done";
    });
    expect(await run).toBe("done");
    expect(events).toEqual(["attempt", "ensure final", "rebase", "attempt"]);
  });

  it("classes are counted apart, so that many of one do not use up the other's", async () => {
    const { retries } = record();
    const kinds: ConflictClass[] = ["now", "rebase", "final"].flatMap((kind) =>
      Array.from({ length: 8 }, () => kind as ConflictClass),
    );
    const run = retries.run("flush", async () => {
      const kind = kinds.shift();
      if (kind) throw conflict(kind);
      return "done";
    });
    expect(await run).toBe("done");
  });

  it("any other error is thrown at once", async () => {
    const { events, retries } = record();
    const error = new EiderError("disk_full", "No space left on device");
    await expect(retries.run("flush", () => Promise.reject(error))).rejects.toBe(error);
    expect(events).toEqual([]);
  });

  it("a signal ends the wait with the conflict", async () => {
    const retries = new Retries({ rebase: () => {}, onConflict: () => {} });
    const error = conflict("now");
    const signal = AbortSignal.abort();
    await expect(retries.run("flush", () => Promise.reject(error), { signal })).rejects.toBe(error);
  });
});
