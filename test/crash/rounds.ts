import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import type { RunningEider } from "../support/start-eider.ts";

const folder = join(REPO, "test", "crash", "python");

export const ROUTES = [
  "put_append",
  "put_keyed",
  "ingest_small",
  "ingest_large",
  "inserted",
  "inserted_prepared",
] as const;

/** Small limits, so that a few hundred rows come to every state of a segment; no limit is a time but the age. */
export const CRASH_SETTINGS: Partial<Config> = {
  bufferMaxRows: 300,
  bufferMaxAgeSeconds: 1,
  sweepIntervalSeconds: 1,
  stageMemoryBytes: 32 * 1024,
  shutdownTimeoutSeconds: 120,
};

export interface WriterRun {
  readonly acknowledged: readonly number[];
  readonly under_way: readonly number[];
  readonly error: string | null;
}
export type WriterRuns = Readonly<Record<string, WriterRun>>;

/** Writes by every route until the server dies, the work is done, or the file appears. */
export function write(
  eider: RunningEider,
  start: number,
  count: number,
  options: { stopFile?: string; routes?: readonly string[] } = {},
): Promise<WriterRuns> {
  return runPython(join(folder, "writers.py"), {
    uri: eider.flightUri,
    start,
    count,
    routes: options.routes ?? ROUTES,
    stop_file: options.stopFile ?? null,
  });
}

export interface Verdict {
  readonly problems: readonly string[];
  readonly rows: Readonly<Record<string, number>>;
}

/** DuckDB's Python package reads the stopped server's lake. */
export function judge(dataDir: string, runs: readonly WriterRuns[]): Promise<Verdict> {
  const extensions = process.env["EIDER_EXTENSION_DIR"] ?? join(REPO, ".extensions");
  return runPython(join(folder, "judge.py"), {
    catalog: join(dataDir, "catalog.ducklake"),
    data_path: join(dataDir, "lake"),
    extension: join(extensions, "ducklake.duckdb_extension"),
    runs,
  });
}
