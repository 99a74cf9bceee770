import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { REPO } from "../../support/repo.ts";

test("what is written from the code is up to date (else: npm run docs)", async () => {
  const script = pathToFileURL(join(REPO, "scripts", "generated-files.mjs")).href;
  const { generatedFiles } = await import(script);
  const files: { path: string; text: string }[] = await generatedFiles();
  expect(files.length).toBeGreaterThan(3);
  for (const { path, text } of files) {
    expect(existsSync(path) ? readFileSync(path, "utf8") : "", relative(REPO, path)).toBe(text);
  }
});
