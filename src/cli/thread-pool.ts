import type { Config } from "../config/config.ts";

/** Node's default. */
const DEFAULT_THREADS = 4;
/** Beside flushes and appends: queries, file system calls, name look-ups. */
const QUERY_THREADS = 8;

/**
 * DuckDB's asynchronous calls occupy a thread of libuv's pool each, while they run; when none is free, even SELECT 1
 * waits. The size is fixed when the process starts, so `bin/eider` sets it. Returns what is wrong, or undefined.
 */
export function threadPoolProblem(
  env: Readonly<Record<string, string | undefined>>,
  { maxParallelFlushes, bufferWorkers }: Pick<Config, "maxParallelFlushes" | "bufferWorkers">,
): string | undefined {
  const threads = Number(env["UV_THREADPOOL_SIZE"] ?? DEFAULT_THREADS);
  const needed = QUERY_THREADS + maxParallelFlushes + bufferWorkers;
  if (threads >= needed) return undefined;
  return `UV_THREADPOOL_SIZE is ${threads}, and ${needed} or more are needed: start by bin/eider, which sets it, or set it before Node starts`;
}
