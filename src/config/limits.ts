import type { Config } from "./config.ts";
import { SETTING_KEYS, SETTINGS, settingName } from "./settings.ts";

/** Limits that stand in other groups, beside what they bound. */
const ELSEWHERE: ReadonlySet<string> = new Set(["buffer_disk_limit_bytes"]);

/** The settings that are limits, by name, in the unit that the name ends with; else they are counts. */
export function limitValues(config: Config): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const key of SETTING_KEYS) {
    const [name, value] = [settingName(key), config[key]];
    const isLimit = SETTINGS[key].group === "Limits" || ELSEWHERE.has(name);
    if (isLimit && typeof value === "number") values[name] = value;
  }
  return values;
}
