import { seconds, whole } from "../kinds.ts";
import { type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

export const FLUSH_SETTINGS = {
  sweepIntervalSeconds: {
    kind: seconds(0.01, TIMER_MAX_SECONDS),
    default: 1,
    help: "how often buffers are looked at for a flush; a table that fills segments faster is flushed no more often than this, nor than in half of buffer_max_age_seconds (at most 3 s)",
    legacy: ["DUCKLING_QUEUE_FLUSH_INTERVAL_SECONDS"],
  },
  commitPauseMaxSeconds: {
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 5,
    help: "longest rest between two commits while the catalog is slow; 0: none",
  },
  maxParallelFlushes: {
    kind: whole(1, 64),
    default: 2,
    help: "tables that are compacted at the same time",
    legacy: ["DUCKLING_QUEUE_MAX_PARALLEL_FLUSHES"],
  },
  flushMemoryMb: {
    kind: whole(1, 1_048_576, "mb"),
    default: 512,
    help: "memory of one compaction, MB",
  },
} satisfies SettingRows;
