import { randomInt } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { CrashRun, crashAgent } from "./crash-run.ts";
import { randomLives } from "./random-lives.ts";

const DEFAULT_ROUNDS = 6;

const rounds = Number(process.env["EIDER_CRASH_ROUNDS"] ?? DEFAULT_ROUNDS);
/** The same seed makes the same kills; what the machine does between them is its own. */
const seed = Number(process.env["EIDER_CRASH_SEED"] ?? randomInt(1_000_000_000));

const total = { rounds: 0, kills: 0, whileStarting: 0, acknowledged: 0, doubtful: 0, orphans: 0 };
const agent = crashAgent();

/** A long run tells how far it has come. */
const ROUNDS_PER_LINE = 10;

function tell(): void {
  console.log(
    `random kills: seed ${seed}, ${total.rounds} of ${rounds} rounds without loss, ${total.kills} kills ` +
      `(${total.whileStarting} while starting), ${total.acknowledged} operations acknowledged, ${total.doubtful} in doubt, ` +
      `${total.orphans} orphaned files`,
  );
}

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  tell();
});

const plans = Array.from({ length: rounds }, (_, i) => ({ round: i + 1, lives: randomLives(seed, i) }));

test.each(plans)(
  `seed ${seed}, round $round: killed at any time, nothing is lost and nothing doubled`,
  async ({ lives }) => {
    await using run = await CrashRun.begin(agent);
    for (const { kill, settings } of lives) {
      const wasReady = await run.liveUntilKilled(kill, settings);
      total.kills += 1;
      total.whileStarting += wasReady ? 0 : 1;
    }
    await run.liveAndStop();
    const verdict = await run.judge();
    expect(verdict.problems, `${JSON.stringify(lives)}\n${run.logs}`).toEqual([]);
    total.rounds += 1;
    total.acknowledged += verdict.acknowledged;
    total.doubtful += verdict.doubtful;
    total.orphans += verdict.orphans;
    if (total.rounds % ROUNDS_PER_LINE === 0) tell();
  },
);
