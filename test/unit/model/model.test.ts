import { randomInt } from "node:crypto";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { target } from "../lake/lake-fixture.ts";
import { KEPT_SEEDS } from "./seeds.ts";
import { check, type Run, runStep, STEPS, type Step, step } from "./steps.ts";
import { System } from "./system.ts";
import { TableModel } from "./table-model.ts";

/**
 * Random writes, changes, flushes, kills and reads, against a Map in memory. EIDER_MODEL_RUNS sets how many runs, after
 * those of the seeds that are kept; EIDER_MODEL_SEED repeats one, EIDER_MODEL_SHRINK=1 shortens one that fails. One that fails tells its seed and path: keep them in seeds.ts.
 */
const SHORT_RUNS = 4;
const RUNS = Number(process.env["EIDER_MODEL_RUNS"] ?? SHORT_RUNS);
/** The short form begins no further run after so long: a busy machine takes fewer. */
const SHORT_LIMIT_MS = 40_000;
const SEED = Number(process.env["EIDER_MODEL_SEED"] ?? randomInt(2 ** 31));
const MINUTE_MS = 60_000;

const total = { runs: 0, steps: new Map<string, number>(), rows: 0 };

async function live(steps: readonly Step[]): Promise<void> {
  await using system = await System.open();
  const tables = [new TableModel("log", false), new TableModel("keyed", true)];
  for (const { name, isKeyed } of tables) {
    const columns = [
      { name: "id", type: "BIGINT", nullable: true },
      { name: "a", type: "VARCHAR", nullable: true },
      { name: "b", type: "INTEGER", nullable: true },
    ];
    await system.lake.createTable({ target: target(name), columns, primaryKey: isKeyed ? ["id"] : [] });
  }
  const run: Run = { system, tables, tokens: [], count: 0 };
  for (const each of steps) {
    await runStep(run, each);
    total.steps.set(each.kind, (total.steps.get(each.kind) ?? 0) + 1);
  }
  for (const table of tables) await check(run, table);
  await system.reopen({});
  for (const table of tables) {
    await check(run, table);
    total.rows += table.rows.size;
  }
  expect(system.buffers.views().filter(({ openRows, sealedSegments }) => openRows + sealedSegments > 0)).toEqual([]);
  total.runs++;
}

const lives = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), live);
// A smaller failing run takes hours to find; ask for it.
const endOnFailure = process.env["EIDER_MODEL_SHRINK"] === undefined;

test.each(KEPT_SEEDS)("seed $seed, which has failed once at $path", ({ seed, path }) =>
  fc.assert(lives, { seed, path, numRuns: 1, endOnFailure }),
);

test(
  `${RUNS} random lives hold what a Map holds; seed ${SEED}`,
  async () => {
    const limit = RUNS <= SHORT_RUNS ? { interruptAfterTimeLimit: SHORT_LIMIT_MS } : {};
    await fc.assert(lives, { seed: SEED, numRuns: RUNS, endOnFailure, ...limit });
    // In a longer run every kind of step has its turn, or the steps test less than they say.
    if (RUNS >= 20) expect([...total.steps.keys()].sort()).toEqual(Object.keys(STEPS).sort());
  },
  Math.max(10, RUNS) * MINUTE_MS,
);

afterAll(() => {
  const steps = [...total.steps].map(([kind, count]) => `${kind} ${count}`).join(", ");
  console.log(`model: seed ${SEED}, ${total.runs} runs, ${total.rows} rows at their ends; steps: ${steps}`);
});
