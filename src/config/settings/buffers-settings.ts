import { bytes, path, seconds, whole, workerCount } from "../kinds.ts";
import { MIB, type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

export const BUFFERS_SETTINGS = {
  bufferDir: {
    kind: path,
    default: "{data_dir}/buffer",
    help: "folder of the segments: rows that are acknowledged and not yet in the lake",
    legacy: ["DUCKLING_QUEUE_ROOT"],
  },
  bufferMaxRows: {
    kind: whole(1, 1_000_000_000),
    default: 50_000,
    help: "rows in a buffer that start its flush",
    legacy: ["DUCKLING_QUEUE_BUFFER_MAX_ROWS"],
  },
  bufferMaxBytes: {
    kind: bytes(1024),
    default: 100_000_000,
    help: "bytes in a buffer that start its flush",
    legacy: ["DUCKLING_QUEUE_ROTATE_SIZE_BYTES"],
  },
  bufferMaxAgeSeconds: {
    kind: seconds(0.01),
    default: 5,
    help: "age of a buffer's oldest row that starts its flush",
    legacy: ["DUCKLING_QUEUE_ROTATE_INTERVAL_SECONDS"],
  },
  bufferMemoryMb: {
    kind: whole(1, 1_048_576, "mb"),
    default: 16,
    help: "memory of one open buffer, MB; beyond it rows spill to disk; more than 32 buffers share that of 32",
  },
  bufferDiskLimitBytes: {
    kind: bytes(MIB),
    default: "10GB",
    help: "bytes of all segments on disk; when full, appends wait and are then refused",
  },
  bufferFullWaitSeconds: {
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 30,
    help: "how long an append waits for room on disk before it is refused",
  },
  bufferWorkers: {
    kind: workerCount,
    default: 0,
    help: "threads that append; 0: 1 for up to 2 cores, 2 for up to 8, else 4",
  },
  stageMemoryBytes: {
    kind: bytes(0),
    default: "4MiB",
    help: "bytes of a bulk ingest that wait in memory before it gets a segment of its own",
  },
  tokenRetentionSeconds: {
    kind: seconds(0),
    default: 86_400,
    help: "how long a batch's token is remembered, so that a repeated batch is not stored again",
  },
} satisfies SettingRows;
