/** What a pool of connections counts. */
export interface PoolCounts {
  readonly busy: number;
  readonly idle: number;
  readonly waiting: number;
  readonly opened: number;
  /** Queries that had to wait for a connection, and for how long. */
  readonly waits: number;
  readonly waitedMs: number;
}
