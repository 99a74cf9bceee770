import type { StoreSettings } from "../base/store-settings.ts";

/** The settings as the rest of the program sees them: one frozen object; keys are DESIGN's setting names in camelCase. */
export interface Config extends StoreSettings {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  readonly dataDir: string;
  /** Folder of the segments, `{data_dir}/buffer` unless set. */
  readonly bufferDir: string;
  /** `duckdb:path`, `postgres:…`, `sqlite:path`, `quack:host:port`. */
  readonly catalog: string;
  /** Empty: none, or in `catalog`. */
  readonly catalogPassword: string;
  /** How long a start waits for a catalog that does not answer. */
  readonly catalogWaitSeconds: number;
  readonly dataPath: string;
  readonly guardStore: boolean;
  /** 0 turns housekeeping off. */
  readonly housekeepingIntervalSeconds: number;
  readonly housekeepingThreads: number;
  readonly mergeFiles: number;
  readonly rewriteFlushes: number;
  readonly rewriteDeleteRatio: number;
  readonly expireSeconds: number;
  readonly cleanSeconds: number;
  readonly queueSchema: string;
  readonly targetSchema: string;
  readonly bufferMaxRows: number;
  readonly bufferMaxBytes: number;
  readonly bufferMaxAgeSeconds: number;
  readonly sweepIntervalSeconds: number;
  /** Bounds the rest that the committer takes between commits while the catalog is slow; 0: none. */
  readonly commitPauseMaxSeconds: number;
  readonly maxParallelFlushes: number;
  readonly autoCreateTables: boolean;
  readonly bufferMemoryMb: number;
  readonly flushMemoryMb: number;
  /** Memory limit of the lake instance, which runs the queries and writes the Parquet files; 0: DuckDB's own default. */
  readonly queryMemoryMb: number;
  readonly bufferDiskLimitBytes: number;
  /** How long an append waits for room on disk before it is refused. */
  readonly bufferFullWaitSeconds: number;
  readonly bufferWorkers: number;
  readonly stageMemoryBytes: number;
  readonly tokenRetentionSeconds: number;
  readonly poolMax: number;
  readonly poolIdle: number;
  readonly poolLifetimeSeconds: number;
  readonly queryTimeoutSeconds: number;
  readonly walAutocheckpoint: string;
  readonly shutdownTimeoutSeconds: number;
  readonly extensionDir: string;
  readonly sessionIdleSeconds: number;
  readonly sessionOrphanSeconds: number;
  readonly transactionIdleSeconds: number;
  readonly statementIdleSeconds: number;
  readonly ticketSeconds: number;
  readonly pollSeconds: number;
  readonly spoolMemoryBytes: number;
  readonly spoolDiskLimitBytes: number;
  readonly resultAheadBytes: number;
  readonly maxSessions: number;
  readonly maxStreamsInFlight: number;
  readonly maxTickets: number;
  readonly maxPreparedStatements: number;
  readonly maxMessageBytes: number;
  readonly maxStatementBytes: number;
  readonly maxParameterBytes: number;
  readonly maxPutBatchesInFlight: number;
  readonly maxPutBytesInFlight: number;
  readonly logLevel: string;
  /** Serve strangers: no TLS or no authentication on an address that others reach. */
  readonly insecure: boolean;
  /** This file and the ones that follow: empty when there is none. */
  readonly usersFile: string;
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly tlsClientCaFile: string;
  /** `required`, `optional`. */
  readonly tlsClientAuth: string;
  /** File or URL. */
  readonly jwtJwks: string;
  readonly jwtSecretFile: string;
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
  readonly jwtUserClaim: string;
  readonly jwtRolesClaim: string;
  readonly openHealth: boolean;
  readonly openMetrics: boolean;
}
