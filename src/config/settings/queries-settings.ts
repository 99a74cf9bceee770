import { seconds, whole } from "../kinds.ts";
import { type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

export const QUERIES_SETTINGS = {
  queryMemoryMb: {
    kind: whole(0, 16_777_216, "mb"),
    default: 0,
    help: "memory of queries and Parquet writing together, MB; 0: 40 % of the machine's or the container's",
  },
  queryTimeoutSeconds: {
    kind: seconds(0.01, TIMER_MAX_SECONDS),
    default: 30,
    help: "longest time of a query over HTTP",
  },
  poolMax: { kind: whole(1, 10_000), default: 20, help: "connections for queries over HTTP" },
  poolIdle: { kind: whole(0, 10_000), default: 5, help: "idle connections that are kept" },
  poolLifetimeSeconds: {
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 3600,
    help: "age at which a pooled connection is replaced",
  },
} satisfies SettingRows;
