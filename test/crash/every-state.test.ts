import { expect, test } from "vitest";
import { FAILPOINTS } from "../../src/base/failpoints.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { CRASH_SETTINGS, judge, write } from "./rounds.ts";

/** Hits to let pass before the kill: the first ones have nothing before them, later ones meet a lake with rows. */
const SKIPS = [0, 3];

const rounds = FAILPOINTS.flatMap((failpoint) => SKIPS.map((skip) => ({ failpoint, skip })));

test.each(rounds)(
  "killed at $failpoint after $skip hits: what was acknowledged is in the lake, once",
  async ({ failpoint, skip }) => {
    await using folder = tempDir("crash");
    const settings = CRASH_SETTINGS;
    const first = await startEider({
      dataDir: folder.path,
      settings,
      failpoints: { [failpoint]: { action: "kill", skip } },
    });
    const before = await write(first, 0, 100_000);
    expect(await first.exited, `the failpoint was never hit\n${first.logs}`).toEqual({ code: null, signal: "SIGKILL" });

    const second = await startEider({ dataDir: folder.path, settings });
    const after = await write(second, 200_000, 20);
    for (const [route, run] of Object.entries(after)) expect(run.error, `${route}\n${second.logs}`).toBeNull();
    expect(await second.stop("SIGTERM"), second.logs).toEqual({ code: 0, signal: null });

    const verdict = await judge(folder.path, [before, after]);
    expect(verdict.problems, second.logs).toEqual([]);
  },
);
