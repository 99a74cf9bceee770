import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";
import { environmentName, SETTING_KEYS, SETTINGS, settingName } from "../../../src/config/settings.ts";
import { REPO } from "../../support/repo.ts";

/** Of the commands and clients, and of the tests. */
const OTHER = ["EIDER_CONFIG", "EIDER_URI", "EIDER_USER", "EIDER_PASSWORD", "EIDER_TOKEN"];

function textFiles(folder: string): string[] {
  return readdirSync(join(REPO, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(md|ya?ml|service|mjs|env)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

const known = new Set([
  ...OTHER,
  ...SETTING_KEYS.flatMap((key) => [environmentName(key), ...(SETTINGS[key].legacy ?? [])]),
]);

test.each([...textFiles("deploy"), ...textFiles("docs"), join(REPO, "Dockerfile"), join(REPO, "README.md")])(
  "%s names settings that exist",
  (path) => {
    const text = readFileSync(path, "utf8");
    const named = text.match(/\b(EIDER|DUCKLING_QUEUE)_[A-Z_]*[A-Z]\b(?!_?\*)/g) ?? [];
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  },
);

test("the Kubernetes settings file loads", () => {
  const { data } = parse(readFileSync(join(REPO, "deploy", "kubernetes", "configmap.yaml"), "utf8"));
  const settings: Record<string, string> = parse(data["eider.yaml"]);
  expect(Object.keys(settings).filter((name) => !SETTING_KEYS.some((key) => settingName(key) === name))).toEqual([]);
  const env = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`EIDER_${name.toUpperCase()}`, String(value)]),
  );
  const { config, warnings } = loadConfig({
    flags: { values: {}, unknown: [] },
    env: { ...env, EIDER_HOST: "0.0.0.0" },
    cwd: REPO,
  });
  expect([config.dataPath, warnings]).toEqual(["s3://lake/data", []]);
});
