import type { Config } from "./config.ts";
import {
  address,
  bytes,
  catalog,
  choice,
  flag,
  identifier,
  type Kind,
  location,
  optionalPath,
  optionalPathOrUrl,
  optionalText,
  path,
  ratio,
  seconds,
  sizeText,
  text,
  whole,
  workerCount,
} from "./kinds.ts";

/**
 * THE table of settings: flags, environment variables, keys of the YAML file, `--help`, the README's table and the
 * start-up log are all made from it.
 */
export interface Setting<T> {
  readonly group: Group;
  readonly kind: Kind<T>;
  /** As one would write it: `{data_dir}` and units are allowed. */
  readonly default: T | string;
  readonly help: string;
  /** Environment variables of SwanLake's Duckling Queue that mean the same. */
  readonly legacy?: readonly string[];
  /** The value may hold a password, or is one. */
  readonly secret?: "inside" | "whole";
}

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

/** DuckDB's version; extension files fit exactly one. A test compares it with the engine's own word. */
export const DUCKDB_VERSION = "v1.5.5";

/** Longest interval of a timer, seconds: Node's timers take up to 2^31 - 1 ms. */
const TIMER_MAX_SECONDS = 2_147_483;
const PORT_MAX = 65_535;
/** grpc-js takes message limits as signed 32-bit numbers. */
const MESSAGE_MAX_BYTES = 2 ** 31 - 1;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const SETTINGS: { readonly [K in keyof Config]: Setting<Config[K]> } = {
  host: {
    group: "Server",
    kind: address,
    default: "127.0.0.1",
    help: "address to listen on; on another than loopback TLS and authentication must be set up (or `insecure`)",
  },
  port: { group: "Server", kind: whole(0, PORT_MAX), default: 4214, help: "Flight SQL port; 0 takes a free one" },
  httpPort: {
    group: "Server",
    kind: whole(0, PORT_MAX),
    default: 4280,
    help: "HTTP port: queries, metrics, health, flush; 0 takes a free one",
  },
  dataDir: {
    group: "Server",
    kind: path,
    default: "./eider-data",
    help: "folder of everything that is not placed elsewhere; one server at a time",
  },
  logLevel: {
    group: "Server",
    kind: choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    default: "info",
    help: "least level that is logged",
  },
  shutdownTimeoutSeconds: {
    group: "Server",
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 30,
    help: "time to finish calls and flush on SIGTERM; what is left is flushed at the next start",
  },
  extensionDir: {
    group: "Server",
    kind: path,
    default: `~/.local/share/eider/extensions/${DUCKDB_VERSION}`,
    help: "folder of DuckDB extensions (NAME.duckdb_extension); looked in first, and filled when one is fetched",
  },
  catalog: {
    group: "Lake",
    kind: catalog,
    default: "duckdb:{data_dir}/catalog.ducklake",
    help: "DuckLake catalog: duckdb:PATH, sqlite:PATH, postgres:CONNECTION or quack:HOST:PORT",
    secret: "inside",
  },
  catalogPassword: {
    group: "Lake",
    kind: text,
    default: "",
    help: "password of the catalog's user, or Quack's token, where it is not in `catalog`",
    secret: "whole",
  },
  catalogWaitSeconds: {
    group: "Lake",
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 60,
    help: "how long a start waits for a catalog's server that does not answer; 0: not at all",
  },
  dataPath: {
    group: "Lake",
    kind: location,
    default: "{data_dir}/lake",
    help: "where the Parquet files go: a folder, s3://, gs:// or az://",
  },
  targetSchema: {
    group: "Lake",
    kind: identifier,
    default: "main",
    help: "lake schema that sessions start in and that buffered rows go to",
    legacy: ["DUCKLING_QUEUE_TARGET_SCHEMA"],
  },
  queueSchema: {
    group: "Lake",
    kind: identifier,
    default: "duckling_queue",
    help: "schema name in SQL that means: through the buffer",
  },
  autoCreateTables: {
    group: "Lake",
    kind: flag,
    default: true,
    help: "create a missing table from the first batch's schema",
    legacy: ["DUCKLING_QUEUE_AUTO_CREATE_TABLES"],
  },
  walAutocheckpoint: {
    group: "Lake",
    kind: sizeText,
    default: "1GB",
    help: "size of the DuckDB-file catalog's write-ahead log that starts a checkpoint",
  },
  storeEndpoint: {
    group: "Object store",
    kind: text,
    default: "",
    help: "host:port of an S3 that is not Amazon's",
  },
  storeRegion: {
    group: "Object store",
    kind: text,
    default: "",
    help: "region of the bucket",
  },
  storeUrlStyle: {
    group: "Object store",
    kind: choice("", "vhost", "path"),
    default: "",
    help: "vhost (bucket.host) or path (host/bucket), which most S3s but Amazon's want",
  },
  storeUseSsl: {
    group: "Object store",
    kind: flag,
    default: true,
    help: "TLS to the store",
  },
  storeKeyId: {
    group: "Object store",
    kind: text,
    default: "",
    help: "access key; without it DuckDB's stored secrets are used, then the environment, profiles and the machine's role",
  },
  storeSecret: {
    group: "Object store",
    kind: text,
    default: "",
    help: "secret of the access key",
    secret: "whole",
  },
  storeSessionToken: {
    group: "Object store",
    kind: text,
    default: "",
    help: "session token of temporary credentials",
    secret: "whole",
  },
  storeAccount: {
    group: "Object store",
    kind: text,
    default: "",
    help: "Azure's storage account, or R2's account id",
  },
  storeConnection: {
    group: "Object store",
    kind: text,
    default: "",
    help: "Azure's connection string",
    secret: "whole",
  },
  guardStore: {
    group: "Object store",
    kind: flag,
    default: true,
    help: "keep a copy of new files on this machine until their COMMIT is known; off only where the bucket keeps versions or nobody can delete",
  },
  bufferDir: {
    group: "Buffers",
    kind: path,
    default: "{data_dir}/buffer",
    help: "folder of the segments: rows that are acknowledged and not yet in the lake",
    legacy: ["DUCKLING_QUEUE_ROOT"],
  },
  bufferMaxRows: {
    group: "Buffers",
    kind: whole(1, 1_000_000_000),
    default: 50_000,
    help: "rows in a buffer that start its flush",
    legacy: ["DUCKLING_QUEUE_BUFFER_MAX_ROWS"],
  },
  bufferMaxBytes: {
    group: "Buffers",
    kind: bytes(1024),
    default: 100_000_000,
    help: "bytes in a buffer that start its flush",
    legacy: ["DUCKLING_QUEUE_ROTATE_SIZE_BYTES"],
  },
  bufferMaxAgeSeconds: {
    group: "Buffers",
    kind: seconds(0.01),
    default: 5,
    help: "age of a buffer's oldest row that starts its flush",
    legacy: ["DUCKLING_QUEUE_ROTATE_INTERVAL_SECONDS"],
  },
  bufferMemoryMb: {
    group: "Buffers",
    kind: whole(1, 1_048_576, "mb"),
    default: 16,
    help: "memory of one open buffer, MB; beyond it rows spill to disk",
  },
  bufferDiskLimitBytes: {
    group: "Buffers",
    kind: bytes(MIB),
    default: "10GB",
    help: "bytes of all segments on disk; when full, appends wait and are then refused",
  },
  bufferFullWaitSeconds: {
    group: "Buffers",
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 30,
    help: "how long an append waits for room on disk before it is refused",
  },
  bufferWorkers: {
    group: "Buffers",
    kind: workerCount,
    default: 0,
    help: "threads that append; 0: 1 for up to 2 cores, 2 for up to 8, else 4",
  },
  stageMemoryBytes: {
    group: "Buffers",
    kind: bytes(0),
    default: "4MiB",
    help: "bytes of a bulk ingest that wait in memory before it gets a segment of its own",
  },
  tokenRetentionSeconds: {
    group: "Buffers",
    kind: seconds(0),
    default: 86_400,
    help: "how long a batch's token is remembered, so that a repeated batch is not stored again",
  },
  sweepIntervalSeconds: {
    group: "Flush",
    kind: seconds(0.01, TIMER_MAX_SECONDS),
    default: 1,
    help: "how often buffers are looked at for a flush; a table that fills segments faster is flushed no more often",
    legacy: ["DUCKLING_QUEUE_FLUSH_INTERVAL_SECONDS"],
  },
  commitPauseMaxSeconds: {
    group: "Flush",
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 5,
    help: "longest rest between two commits while the catalog is slow; 0: none",
  },
  maxParallelFlushes: {
    group: "Flush",
    kind: whole(1, 64),
    default: 2,
    help: "tables that are compacted at the same time",
    legacy: ["DUCKLING_QUEUE_MAX_PARALLEL_FLUSHES"],
  },
  flushMemoryMb: {
    group: "Flush",
    kind: whole(1, 1_048_576, "mb"),
    default: 512,
    help: "memory of one compaction, MB",
  },
  housekeepingIntervalSeconds: {
    group: "Housekeeping",
    kind: seconds(0, TIMER_MAX_SECONDS),
    default: 30,
    help: "how often the lake's files are looked at; 0: never",
  },
  housekeepingThreads: {
    group: "Housekeeping",
    kind: whole(1, 64),
    default: 2,
    help: "housekeeping tasks at the same time, each on another table",
  },
  mergeFiles: {
    group: "Housekeeping",
    kind: whole(0, 1_000_000),
    default: 32,
    help: "files under 32 MB of a table from which they are merged; 0: never",
  },
  rewriteFlushes: {
    group: "Housekeeping",
    kind: whole(0, 1_000_000),
    default: 20,
    help: "flushes with deletions, or files of deletions, of a table from which it is rewritten; 0: never",
  },
  rewriteDeleteRatio: {
    group: "Housekeeping",
    kind: ratio,
    default: 0.05,
    help: "deleted share of a file from which it is rewritten (a table's own: DuckLake's rewrite_delete_threshold)",
  },
  expireSeconds: {
    group: "Housekeeping",
    kind: seconds(0),
    default: 0,
    help: "age at which snapshots are expired, at least 1 hour; 0: never",
  },
  cleanSeconds: {
    group: "Housekeeping",
    kind: seconds(0),
    default: 0,
    help: "age at which files that no snapshot refers to are deleted, at least 1 hour, orphans 1 day; 0: never",
  },
  queryMemoryMb: {
    group: "Queries",
    kind: whole(0, 16_777_216, "mb"),
    default: 0,
    help: "memory of queries and Parquet writing together, MB; 0: DuckDB's own default, 80 % of the machine's",
  },
  queryTimeoutSeconds: {
    group: "Queries",
    kind: seconds(0.01, TIMER_MAX_SECONDS),
    default: 30,
    help: "longest time of a query over HTTP",
  },
  poolMax: { group: "Queries", kind: whole(1, 10_000), default: 20, help: "connections for queries over HTTP" },
  poolIdle: { group: "Queries", kind: whole(0, 10_000), default: 5, help: "idle connections that are kept" },
  poolLifetimeSeconds: {
    group: "Queries",
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 3600,
    help: "age at which a pooled connection is replaced",
  },
  sessionIdleSeconds: {
    group: "Limits",
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 1800,
    help: "time without a call after which a session ends",
  },
  sessionOrphanSeconds: {
    group: "Limits",
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 60,
    help: "the same for a session whose client has no connection any more",
  },
  transactionIdleSeconds: {
    group: "Limits",
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 1800,
    help: "time without a statement after which an open transaction is rolled back",
  },
  statementIdleSeconds: {
    group: "Limits",
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 1800,
    help: "time after which a result ends of which its reader takes nothing",
  },
  ticketSeconds: {
    group: "Limits",
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 600,
    help: "time after which a result that nobody fetches, or a poll that nobody asks for, is dropped",
  },
  pollSeconds: {
    group: "Limits",
    kind: seconds(0.01, 3600),
    default: 5,
    help: "how long PollFlightInfo waits for a statement to end before it answers that it runs",
  },
  spoolMemoryBytes: {
    group: "Limits",
    kind: bytes(0),
    default: "256MiB",
    help: "memory of all results that wait for their readers, a quarter of it for one; beyond it they go to disk",
  },
  spoolDiskLimitBytes: {
    group: "Limits",
    kind: bytes(0),
    default: "10GB",
    help: "bytes on disk of all results that wait for their readers; the one that would pass it ends with an error",
  },
  maxSessions: { group: "Limits", kind: whole(1, 1_000_000), default: 1000, help: "sessions at the same time" },
  maxMessageBytes: {
    group: "Limits",
    kind: bytes(MIB, MESSAGE_MAX_BYTES),
    default: "256MiB",
    help: "largest Flight message that is taken",
  },
  maxStreamsInFlight: {
    group: "Limits",
    kind: whole(1, 1_000_000),
    default: 1000,
    help: "DoGet and DoPut calls at the same time",
  },
  maxTickets: {
    group: "Limits",
    kind: whole(1, 1_000_000),
    default: 10_000,
    help: "results that wait to be fetched, and as many polls",
  },
  maxPreparedStatements: {
    group: "Limits",
    kind: whole(1, 1_000_000),
    default: 10_000,
    help: "prepared statements that are not closed, of all sessions",
  },
  maxStatementBytes: {
    group: "Limits",
    kind: bytes(1024, 256 * MIB),
    default: "16MiB",
    help: "longest SQL text of a statement or script; taken apart it takes many times as much memory",
  },
  maxParameterBytes: {
    group: "Limits",
    kind: bytes(1024, 16 * GIB),
    default: "256MiB",
    help: "largest set of parameters that is bound to a statement at once, in memory",
  },
  maxPutBatchesInFlight: {
    group: "Limits",
    kind: whole(1, 10_000),
    default: 64,
    help: "batches of one DoPut that are being made durable while the next are read; then it is not read",
  },
  maxPutBytesInFlight: {
    group: "Limits",
    kind: bytes(1024, 16 * GIB),
    default: "64MiB",
    help: "bytes of those batches",
  },
  insecure: {
    group: "Security",
    kind: flag,
    default: false,
    help: "serve without TLS or authentication although others can reach the address",
  },
  usersFile: {
    group: "Security",
    kind: optionalPath,
    default: "",
    help: "YAML file of users, their hashed passwords and tokens, and roles (`eider user add`); read anew when it changes",
  },
  tlsCertFile: {
    group: "Security",
    kind: optionalPath,
    default: "",
    help: "PEM file of the server's certificate chain, for Flight and HTTP; read anew when it changes",
  },
  tlsKeyFile: { group: "Security", kind: optionalPath, default: "", help: "PEM file of the certificate's private key" },
  tlsClientCaFile: {
    group: "Security",
    kind: optionalPath,
    default: "",
    help: "PEM file of those who sign client certificates; a verified one's common name is a user of users_file",
  },
  tlsClientAuth: {
    group: "Security",
    kind: choice("required", "optional"),
    default: "required",
    help: "whether a Flight client must show a certificate when tls_client_ca_file is set; over HTTP it may",
  },
  jwtJwks: {
    group: "Security",
    kind: optionalPathOrUrl,
    default: "",
    help: "JSON Web Key Set whose tokens are taken: a file or an https:// address",
  },
  jwtSecretFile: {
    group: "Security",
    kind: optionalPath,
    default: "",
    help: "file with the shared secret of tokens signed by HMAC, 32 bytes or more",
  },
  jwtIssuer: { group: "Security", kind: optionalText, default: "", help: "issuer that a token must have" },
  jwtAudience: {
    group: "Security",
    kind: optionalText,
    default: "",
    help: "audience that a token must have; needed with jwt_jwks",
  },
  jwtUserClaim: { group: "Security", kind: identifier, default: "sub", help: "claim with the user's name" },
  jwtRolesClaim: {
    group: "Security",
    kind: identifier,
    default: "eider",
    help: 'claim with the roles, `{"role": "read", "schemas": {"sales": "write"}}`; without it those of users_file count',
  },
  openHealth: {
    group: "Security",
    kind: flag,
    default: true,
    help: "answer /health and /ready without credentials",
  },
  openMetrics: { group: "Security", kind: flag, default: false, help: "answer /metrics without credentials" },
};

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
