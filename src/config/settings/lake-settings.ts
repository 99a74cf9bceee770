import { catalog, flag, identifier, location, seconds, sizeText, text } from "../kinds.ts";
import { type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

export const LAKE_SETTINGS = {
  catalog: {
    kind: catalog,
    default: "duckdb:{data_dir}/catalog.ducklake",
    help: "DuckLake catalog: duckdb:PATH, sqlite:PATH, postgres:CONNECTION or quack:HOST:PORT",
    secret: "inside",
  },
  catalogPassword: {
    kind: text,
    default: "",
    help: "password of the catalog's user, or Quack's token, where it is not in `catalog`",
    secret: "whole",
  },
  catalogWaitSeconds: {
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 60,
    help: "how long a start waits for a catalog's server that does not answer; 0: not at all",
  },
  dataPath: {
    kind: location,
    default: "{data_dir}/lake",
    help: "where the Parquet files go: a folder, s3://, gs:// or az://",
  },
  targetSchema: {
    kind: identifier,
    default: "main",
    help: "lake schema that sessions start in and that buffered rows go to",
    legacy: ["DUCKLING_QUEUE_TARGET_SCHEMA"],
  },
  queueSchema: {
    kind: identifier,
    default: "duckling_queue",
    help: "schema name in SQL that means: through the buffer",
  },
  autoCreateTables: {
    kind: flag,
    default: true,
    help: "create a missing table from the first batch's schema",
    legacy: ["DUCKLING_QUEUE_AUTO_CREATE_TABLES"],
  },
  walAutocheckpoint: {
    kind: sizeText,
    default: "1GB",
    help: "size of the DuckDB-file catalog's write-ahead log that starts a checkpoint",
  },
} satisfies SettingRows;
