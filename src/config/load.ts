import { availableParallelism, homedir } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { MASK, maskSecrets } from "../base/secrets.ts";
import { EiderError } from "../errors.ts";
import type { Config } from "./config.ts";
import { readSettingsFile } from "./file.ts";
import type { Flags } from "./flags.ts";
import type { Surroundings } from "./kinds.ts";
import { nearest } from "./nearest.ts";
import { securityProblems } from "./security.ts";
import type { Setting } from "./setting.ts";
import { environmentName, flagName, SETTING_KEYS, SETTINGS, type SettingKey, settingName } from "./settings.ts";

/**
 * Flags, environment, file and defaults become one frozen Config, in that order of precedence. Every problem is found
 * before any is reported.
 */
export interface LoadInput {
  readonly flags: Flags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Where each value came from: a flag, a variable, `file:line`, or `default`. */
  readonly sources: Readonly<Record<SettingKey, string>>;
  /** Things that are probably mistakes and that nothing depends on. */
  readonly warnings: readonly string[];
}

interface RawValue {
  readonly value: unknown;
  readonly source: string;
}

/** Variables that begin with EIDER_ and are no settings of the server: the file's path, the commands' and the tests'. */
const OTHER_VARIABLES = [
  "EIDER_CONFIG",
  ...["EIDER_URI", "EIDER_USER", "EIDER_PASSWORD", "EIDER_TOKEN", "EIDER_TLS_CA", "EIDER_TLS_CERT", "EIDER_TLS_KEY"],
  ...["EIDER_PYTHON", "EIDER_DIST", "EIDER_FUZZ_CASES"],
];

/** Throws `config_invalid` with all problems, one per line. */
export function loadConfig({ flags, env, cwd }: LoadInput): LoadedConfig {
  const problems: string[] = [];
  const warnings: string[] = [];
  const raw = new Map<SettingKey, RawValue>();
  readFlagValues(flags, raw, problems);
  readEnvironment(env, raw, problems, warnings);
  const file = flags.configFile ?? env["EIDER_CONFIG"];
  if (file !== undefined && file !== "") readFileValues(resolve(cwd, file), raw, problems);

  const values = new Map<SettingKey, unknown>();
  const surroundings = { cwd, home: homeOf(env, cwd), dataDir: "", coreCount: availableParallelism() };
  surroundings.dataDir = String(settle("dataDir", raw, surroundings, problems) ?? cwd);
  for (const key of SETTING_KEYS) {
    values.set(key, key === "dataDir" ? surroundings.dataDir : settle(key, raw, surroundings, problems));
  }
  // Every key was set above, and `problems` is not empty when one of them is undefined.
  const config = Object.freeze(Object.fromEntries(values)) as unknown as Config;
  if (problems.length === 0) problems.push(...contradictions(config));
  if (problems.length > 0) throw new EiderError("config_invalid", describeProblems(problems));
  const sources = Object.fromEntries(SETTING_KEYS.map((key) => [key, raw.get(key)?.source ?? "default"]));
  return { config, sources: sources as Record<SettingKey, string>, warnings };
}

function readFlagValues(flags: Flags, raw: Map<SettingKey, RawValue>, problems: string[]): void {
  for (const key of SETTING_KEYS) {
    const value = flags.values[key];
    if (value !== undefined) raw.set(key, { value, source: flagName(key) });
  }
  for (const argument of flags.unknown) {
    const [name = argument] = argument.split("=", 1);
    const kind = name.startsWith("-") ? "flag" : "argument";
    problems.push(`unknown ${kind} ${name}${didYouMean(name, [...SETTING_KEYS.map(flagName), "--config", "--help"])}`);
  }
}

function readEnvironment(
  env: LoadInput["env"],
  raw: Map<SettingKey, RawValue>,
  problems: string[],
  warnings: string[],
): void {
  const known = new Set(OTHER_VARIABLES);
  for (const key of SETTING_KEYS) {
    for (const name of [environmentName(key), ...(SETTINGS[key].legacy ?? [])]) {
      known.add(name);
      const value = env[name];
      // An empty variable is how compose files and shells spell "not set".
      if (value !== undefined && value !== "" && !raw.has(key)) raw.set(key, { value, source: name });
    }
  }
  const names = [...known];
  for (const name of Object.keys(env)) {
    if (known.has(name) || !/^(EIDER|DUCKLING_QUEUE)_/.test(name)) continue;
    // Kubernetes sets EIDER_SERVICE_HOST and the like for a service called eider: only what looks misspelt is refused.
    if (nearest(name, names) === undefined)
      warnings.push(`environment variable ${name} is not a setting; it is ignored`);
    else problems.push(`unknown environment variable ${name}${didYouMean(name, names)}`);
  }
}

function readFileValues(path: string, raw: Map<SettingKey, RawValue>, problems: string[]): void {
  const file = readSettingsFile(path);
  problems.push(...file.problems);
  const keys = new Map(SETTING_KEYS.map((key) => [settingName(key), key]));
  const lines = new Map<SettingKey, number>();
  for (const { name, value, line } of file.entries) {
    const key = keys.get(name.replaceAll("-", "_"));
    if (key === undefined) {
      problems.push(`${path}:${line}: unknown setting ${name}${didYouMean(name, [...keys.keys()])}`);
      continue;
    }
    const before = lines.get(key);
    lines.set(key, line);
    // YAML refuses a key that is there twice, but dashes make another key of it.
    if (before !== undefined) problems.push(`${path}:${line}: ${settingName(key)} is set in line ${before} already`);
    else if (value !== null && !raw.has(key)) raw.set(key, { value, source: `${path}:${line}` });
  }
}

function settle(
  key: SettingKey,
  raw: ReadonlyMap<SettingKey, RawValue>,
  surroundings: Surroundings,
  problems: string[],
): unknown {
  const setting = SETTINGS[key] as Setting<unknown>;
  const { value, source } = raw.get(key) ?? { value: setting.default, source: "default" };
  const parsed = setting.kind.schema.safeParse(value);
  if (parsed.success) return setting.kind.finish ? setting.kind.finish(parsed.data, surroundings) : parsed.data;
  problems.push(
    `${settingName(key)} must be ${setting.kind.expects}, not \`${setting.secret === "whole" ? MASK : maskSecrets(String(value))}\` (from ${source})${serviceLinkHint(value)}`,
  );
  return undefined;
}

function serviceLinkHint(value: unknown): string {
  if (typeof value !== "string" || !/^(tcp|udp):\/\//.test(value)) return "";
  return "; Kubernetes sets such variables for a service called eider: use `enableServiceLinks: false` or another name";
}

/** Pairs of settings that are each right and do not go together. */
function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.port !== 0 && config.port === config.httpPort) {
    problems.push(`port and http_port are both ${config.port}: they must differ`);
  }
  if (config.queueSchema.toLowerCase() === config.targetSchema.toLowerCase()) {
    problems.push(`queue_schema and target_schema are both ${config.queueSchema}: they must differ`);
  }
  if (config.poolIdle > config.poolMax) {
    problems.push(`pool_idle is ${config.poolIdle}, more than pool_max, ${config.poolMax}`);
  }
  if (config.flushMemoryMb < config.bufferMemoryMb) {
    problems.push(`flush_memory_mb is ${config.flushMemoryMb}, less than buffer_memory_mb, ${config.bufferMemoryMb}`);
  }
  problems.push(...securityProblems(config));
  return problems;
}

function homeOf(env: LoadInput["env"], cwd: string): string {
  const home = env["HOME"] || homedir();
  return isAbsolute(home) ? home : cwd;
}

function didYouMean(word: string, candidates: readonly string[]): string {
  const name = nearest(word, candidates);
  return name === undefined ? "" : `; did you mean ${name}?`;
}

function describeProblems(problems: readonly string[]): string {
  if (problems.length === 1) return `the configuration is not valid: ${problems[0]}`;
  return `the configuration has ${problems.length} problems:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`;
}
