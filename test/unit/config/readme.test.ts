import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingsTable } from "../../../src/config/describe.ts";
import { REPO } from "../../support/repo.ts";

test("the README's settings are those of the code (else: node scripts/write-docs.mjs)", () => {
  const readme = readFileSync(join(REPO, "README.md"), "utf8");
  const [, written] = /<!-- settings -->\n(.*)\n<!-- \/settings -->/s.exec(readme) ?? [];
  expect(written).toBe(settingsTable());
});
