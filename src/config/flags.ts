import { type Command, Option } from "commander";
import { GROUPS } from "./setting.ts";
import { flagName, SETTING_KEYS, SETTINGS, type SettingKey } from "./settings.ts";

/** What the command line said, not yet checked. */
export interface Flags {
  readonly configFile?: string;
  readonly values: Partial<Record<SettingKey, string | number | boolean>>;
  /** Arguments that no flag or command took. */
  readonly unknown: readonly string[];
}

export const NO_FLAGS: Flags = { values: {}, unknown: [] };

/** Adds one flag per setting. Wrong and unknown ones are reported by `loadConfig`, all at once, not by commander. */
export function addSettingFlags(command: Command): Command {
  command.allowUnknownOption().allowExcessArguments();
  command.addOption(
    new Option("--config <path>", "YAML file with settings by their names (also EIDER_CONFIG)").helpGroup(
      `${GROUPS[0]}:`,
    ),
  );
  for (const group of GROUPS) {
    for (const key of SETTING_KEYS) {
      const setting = SETTINGS[key];
      if (setting.group !== group) continue;
      const isFlag = typeof setting.default === "boolean";
      const value = isFlag ? `[${setting.kind.placeholder}]` : `<${setting.kind.placeholder}>`;
      const help = `${setting.help} (default: ${setting.default === "" ? "none" : setting.default})`;
      command.addOption(new Option(`${flagName(key)} ${value}`, help).helpGroup(`${group}:`));
    }
  }
  return command;
}

/** The settings among what `command`, made by `addSettingFlags`, has parsed. */
export function readFlags(command: Command): Flags {
  const options = command.opts();
  const values: Partial<Record<SettingKey, string | boolean>> = {};
  for (const key of SETTING_KEYS) {
    const value: unknown = options[key];
    if (typeof value === "string" || typeof value === "boolean") values[key] = value;
  }
  const configFile: unknown = options["config"];
  // After an unknown flag commander passes its value on, too: name the flags alone, if there are any.
  const flags = command.args.filter((argument) => argument.startsWith("-"));
  return {
    ...(typeof configFile === "string" ? { configFile } : {}),
    values,
    unknown: flags.length > 0 ? flags : command.args,
  };
}
