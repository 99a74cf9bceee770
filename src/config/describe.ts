import { maskSetting } from "../base/secrets.ts";
import type { LoadedConfig } from "./load.ts";
import { GROUPS } from "./setting.ts";
import { environmentName, flagName, SETTING_KEYS, SETTINGS, settingName } from "./settings.ts";

/**
 * Effective values for the start-up log: secrets masked, and where each one that is not a default came from. `changed`:
 * of those alone.
 */
export function describeConfig(
  { config, sources }: LoadedConfig,
  which: "all" | "changed" = "all",
): Record<string, string> {
  return Object.fromEntries(
    SETTING_KEYS.filter((key) => which === "all" || sources[key] !== "default").map((key) => {
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

/** docs/settings.md. */
export function settingsReference(): string {
  const parts = [
    "# Settings",
    "",
    "Made from the code by `npm run docs`. A setting is a flag, an environment variable and a key of a YAML file (`--config FILE`",
    "or `EIDER_CONFIG`), in that order; an unknown name or a wrong value stops the start, and all problems are told at once.",
    "Sizes take units (`64MB`, `256MiB`); `{data_dir}` stands for the data folder, `~` for the home folder.",
  ];
  for (const group of GROUPS) {
    parts.push("", `## ${group}`);
    for (const key of SETTING_KEYS) {
      const { group: own, legacy = [], help, kind, default: value, secret } = SETTINGS[key];
      if (own !== group) continue;
      const names = [`\`${flagName(key)}\``, `\`${environmentName(key)}\``, ...legacy.map((name) => `\`${name}\``)];
      parts.push(
        "",
        `### ${settingName(key)}`,
        "",
        `${help[0]?.toUpperCase()}${help.slice(1)}.`,
        "",
        `- ${names.join(", ")}`,
        `- ${kind.expects}; default ${value === "" ? "none" : `\`${value}\``}`,
      );
      if (secret)
        parts.push(`- masked in logs and on the status page${secret === "inside" ? " where it holds a password" : ""}`);
    }
  }
  return `${parts.join("\n")}\n`;
}
