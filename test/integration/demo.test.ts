import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DIST, REPO } from "../support/repo.ts";

const exec = promisify(execFile);

test("the demo's real data arrives in the lake exactly as it was sent", async () => {
  const env = { ...process.env, EIDER_DIST: DIST.slice(REPO.length + 1) };
  const { stdout } = await exec(process.execPath, [join(REPO, "scripts", "demo.mjs")], { env, maxBuffer: 1 << 24 });
  expect(stdout).toMatch(/^clients: \d+ checks passed$/m);
  expect(stdout).toMatch(/^judge: 4 checks passed$/m);
});
