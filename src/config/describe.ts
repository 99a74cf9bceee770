import { maskSetting } from "../base/secrets.ts";
import type { LoadedConfig } from "./load.ts";
import { environmentName, flagName, GROUPS, SETTING_KEYS, SETTINGS, settingName } from "./settings.ts";

/** Effective values for the start-up log: secrets masked, and where each one that is not a default came from. */
export function describeConfig({ config, sources }: LoadedConfig): Record<string, string> {
  return Object.fromEntries(
    SETTING_KEYS.map((key) => {
      const value = maskSetting(String(config[key]), SETTINGS[key].secret);
      return [settingName(key), sources[key] === "default" ? value : `${value} (${sources[key]})`];
    }),
  );
}

/** A setting as people read it. */
export interface SettingView {
  readonly name: string;
  readonly group: string;
  /** Secrets masked. */
  readonly value: string;
  /** A flag, a variable, `file:line`, or `default`. */
  readonly source: string;
  readonly help: string;
}

export function settingViews({ config, sources }: LoadedConfig): SettingView[] {
  return SETTING_KEYS.map((key) => ({
    name: settingName(key),
    group: SETTINGS[key].group,
    value: maskSetting(String(config[key]), SETTINGS[key].secret),
    source: sources[key],
    help: SETTINGS[key].help,
  }));
}

/** The README's table of settings, in Markdown. */
export function settingsTable(): string {
  const lines: string[] = [];
  for (const group of GROUPS) {
    lines.push(`| **${group}** | | |`);
    for (const key of SETTING_KEYS) {
      const { group: own, legacy, help, default: value } = SETTINGS[key];
      if (own !== group) continue;
      const also = legacy ? ` (also \`${legacy.join("`, `")}\`)` : "";
      lines.push(
        `| \`${settingName(key)}\` | ${value === "" ? "none" : `\`${value}\``} | ${help.replaceAll("|", "\\|")}${also} |`,
      );
    }
  }
  return [
    `Each setting is a flag (\`${flagName("bufferMemoryMb")}\`), an environment variable (\`${environmentName("bufferMemoryMb")}\`) and a key of a YAML file`,
    "(`--config eider.yaml`), in that order. Sizes take units (`64MB`, `256MiB`); `{data_dir}` stands for the data folder.",
    "",
    "| setting | default | |",
    "| --- | --- | --- |",
    ...lines,
  ].join("\n");
}
