import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { REPO } from "../support/repo.ts";

interface Ratio {
  readonly name: string;
  readonly against: string;
  readonly speed: number;
  readonly floor: number;
}

const SMALL = "--rows 300000 --flush-rows 200000 --seconds 1 --warm-up 1 --repeat 2".split(" ");

/** A neighbour that takes the machine during one half of a run moves a ratio, but not twice. */
test("no ratio of the benchmark falls below its floor", { retry: 1 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "eider-guard-"));
  try {
    const out = join(folder, "result.json");
    const { stdout } = await promisify(execFile)(process.execPath, ["bench/run.mjs", ...SMALL, "--out", out], {
      cwd: REPO,
    });
    console.log(stdout);
    const { ratiosOf } = await import(join(REPO, "bench", "ratios.mjs"));
    const ratios: Ratio[] = ratiosOf(JSON.parse(await readFile(out, "utf8")).measurements);
    expect(ratios.length).toBeGreaterThan(10);
    const slow = ratios.filter(({ speed, floor }) => speed < floor);
    expect(slow.map(({ name, against, speed, floor }) => `${name} / ${against}: ${speed} < ${floor}`)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
