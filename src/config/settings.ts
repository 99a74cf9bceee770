import type { Config } from "./config.ts";
import type { Group, Setting, SettingRow, SettingRows } from "./setting.ts";
import { BUFFERS_SETTINGS } from "./settings/buffers-settings.ts";
import { FLUSH_SETTINGS } from "./settings/flush-settings.ts";
import { HOUSEKEEPING_SETTINGS } from "./settings/housekeeping-settings.ts";
import { LAKE_SETTINGS } from "./settings/lake-settings.ts";
import { LIMITS_SETTINGS } from "./settings/limits-settings.ts";
import { OBJECT_STORE_SETTINGS } from "./settings/object-store-settings.ts";
import { QUERIES_SETTINGS } from "./settings/queries-settings.ts";
import { SECURITY_SETTINGS } from "./settings/security-settings.ts";
import { SERVER_SETTINGS } from "./settings/server-settings.ts";

/**
 * THE table of settings: flags, environment variables, keys of the YAML file, `--help`, the README's table and the
 * start-up log are all made from it. In the order in which they show it.
 */
export const SETTINGS: { readonly [K in keyof Config]: Setting<Config[K]> } = {
  ...inGroup("Server", SERVER_SETTINGS),
  ...inGroup("Lake", LAKE_SETTINGS),
  ...inGroup("Object store", OBJECT_STORE_SETTINGS),
  ...inGroup("Buffers", BUFFERS_SETTINGS),
  ...inGroup("Flush", FLUSH_SETTINGS),
  ...inGroup("Housekeeping", HOUSEKEEPING_SETTINGS),
  ...inGroup("Queries", QUERIES_SETTINGS),
  ...inGroup("Limits", LIMITS_SETTINGS),
  ...inGroup("Security", SECURITY_SETTINGS),
};

function inGroup<T extends SettingRows>(group: Group, rows: T): { readonly [K in keyof T]: T[K] & { group: Group } } {
  const entries = Object.entries(rows).map(([key, row]) => [key, { ...(row as SettingRow<unknown>), group }]);
  return Object.fromEntries(entries) as { readonly [K in keyof T]: T[K] & { group: Group } };
}

export type SettingKey = keyof Config;

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** `bufferMemoryMb` → `buffer_memory_mb`: the key in the YAML file and in messages. */
export function settingName(key: SettingKey): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `--buffer-memory-mb` */
export function flagName(key: SettingKey): string {
  return `--${settingName(key).replaceAll("_", "-")}`;
}

/** `EIDER_BUFFER_MEMORY_MB` */
export function environmentName(key: SettingKey): string {
  return `EIDER_${settingName(key).toUpperCase()}`;
}
