import type { Config } from "./config.ts";
import type { Kind } from "./kinds.ts";

/** Sections of README's settings, `--help` and `docs/settings.md`; each has a file in `settings/`. */
export const GROUPS = [
  "Server",
  "Lake",
  "Object store",
  "Buffers",
  "Flush",
  "Housekeeping",
  "Queries",
  "Limits",
  "Security",
] as const;
export type Group = (typeof GROUPS)[number];

/** A setting as its group's file has it. */
export interface SettingRow<T> {
  readonly kind: Kind<T>;
  /** As one would write it: `{data_dir}` and units are allowed. */
  readonly default: T | string;
  readonly help: string;
  /** Environment variables of SwanLake's Duckling Queue that mean the same. */
  readonly legacy?: readonly string[];
  /** The value may hold a password, or is one. */
  readonly secret?: "inside" | "whole";
}

export type SettingRows = { readonly [K in keyof Config]?: SettingRow<Config[K]> };

export interface Setting<T> extends SettingRow<T> {
  readonly group: Group;
}

/** Longest interval of a timer, seconds: Node's timers take up to 2^31 - 1 ms. */
export const TIMER_MAX_SECONDS = 2_147_483;
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;
