import { ratio, seconds, whole } from "../kinds.ts";
import { type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

export const HOUSEKEEPING_SETTINGS = {
  housekeepingIntervalSeconds: {
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 30,
    help: "how often the lake's files are looked at; 0: never",
  },
  housekeepingThreads: {
    kind: whole(1, 64),
    default: 2,
    help: "housekeeping tasks at the same time, each on another table",
  },
  mergeFiles: {
    kind: whole(0, 1_000_000),
    default: 32,
    help: "files under 32 MB of a table from which they are merged; 0: never",
  },
  rewriteFlushes: {
    kind: whole(0, 1_000_000),
    default: 20,
    help: "flushes with deletions, or files of deletions, of a table from which it is rewritten; 0: never",
  },
  rewriteDeleteRatio: {
    kind: ratio,
    default: 0.05,
    help: "deleted share of a file from which it is rewritten (a table's own: DuckLake's rewrite_delete_threshold)",
  },
  expireSeconds: {
    kind: seconds(0),
    default: 0,
    help: "age at which snapshots are expired, at least 1 hour; 0: never",
  },
  cleanSeconds: {
    kind: seconds(0),
    default: 0,
    help: "age at which files that no snapshot refers to are deleted, at least 1 hour, orphans 1 day; 0: never",
  },
} satisfies SettingRows;
