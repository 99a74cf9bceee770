import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { EiderClient } from "../client/client.ts";
import { NO_FLAGS } from "../config/flags.ts";
import { loadConfig } from "../config/load.ts";
import { EiderError } from "../errors.ts";
import type { FoundFile } from "../files/file-list.ts";
import { FileReader } from "../files/file-reader.ts";
import { type FileFormat, fileFormatOf } from "../files/formats.ts";
import { withClient } from "./connection.ts";
import type { ConnectionFlags } from "./connection-flags.ts";
import { ProgressLine, rateText } from "./output/progress.ts";
import { EXIT, type Shell } from "./shell.ts";

export interface IngestFlags extends ConnectionFlags {
  readonly table: string;
  readonly format?: string;
  readonly op?: string;
  readonly again?: true;
}

interface Task {
  readonly file: FoundFile;
  readonly format: FileFormat;
  readonly rows: number | undefined;
}

const OPS = ["insert", "upsert", "delete"] as const;
const REMOTE = /^[a-z0-9]+:\/\//i;

/**
 * Appends files to a table. A batch's token is its file's fingerprint and its number there: a run that broke is run again
 * by the same command, and what is stored already is not stored twice.
 */
export async function ingest(patterns: readonly string[], flags: IngestFlags, shell: Shell): Promise<number> {
  const op = opOf(flags.op);
  const { config } = loadConfig({ flags: NO_FLAGS, env: shell.env, cwd: shell.cwd });
  const progress = (line: string) => shell.stderr(`${line}\n`);
  await using reader = await FileReader.open({ extensionDir: config.extensionDir, progress });
  const tasks = await plan(reader, patterns, flags.format, shell);
  return await withClient(flags, shell, async (client) => {
    const startedMs = performance.now();
    const done = { rows: 0, retries: 0 };
    const total = totalOf(tasks);
    const elapsedMs = () => performance.now() - startedMs;
    {
      using _line = new ProgressLine(shell, () =>
        rateText(done.rows, elapsedMs(), total === undefined ? undefined : done.rows / Math.max(total, 1)),
      );
      for (const task of tasks) await store(client, reader, task, { flags, op, done });
    }
    const repeats = done.retries === 0 ? "" : `, ${done.retries} retries`;
    const files = `${tasks.length} ${tasks.length === 1 ? "file" : "files"}`;
    if (done.rows === 0) {
      shell.stderr(`${flags.table}: no rows in ${files}\n`);
      return EXIT.ok;
    }
    shell.stderr(`${flags.table}: ${rateText(done.rows, elapsedMs())} of ${files}${repeats}\n`);
    shell.stderr(`They are durable, and in the lake after the next flush (eider flush ${flags.table}).\n`);
    return EXIT.ok;
  });
}

async function store(
  client: EiderClient,
  reader: FileReader,
  { file, format }: Task,
  {
    flags,
    op,
    done,
  }: { flags: IngestFlags; op: (typeof OPS)[number] | undefined; done: { rows: number; retries: number } },
): Promise<void> {
  const run = flags.again ? randomUUID() : "";
  await client.put(flags.table, reader.batches(file.path, format), {
    ...(op ? { op } : {}),
    token: (index) => batchToken(file.fingerprint, index, run),
    onAck: ({ rows }) => {
      done.rows += rows;
    },
    onRetry: () => {
      done.retries++;
    },
  });
}

export function batchToken(fingerprint: string, index: number, run = ""): string {
  return `file:${fingerprint}:${index}${run === "" ? "" : `:${run}`}`;
}

async function plan(
  reader: FileReader,
  patterns: readonly string[],
  formatName: string | undefined,
  shell: Shell,
): Promise<Task[]> {
  const tasks: Task[] = [];
  for (const pattern of patterns) {
    const path = REMOTE.test(pattern) ? pattern : resolve(shell.cwd, pattern);
    for (const file of await reader.list(path)) {
      const format = fileFormatOf(file.path, formatName);
      tasks.push({ file, format, rows: await reader.rowCount(file.path, format) });
    }
  }
  return tasks;
}

/** Undefined unless every file tells its rows. */
function totalOf(tasks: readonly Task[]): number | undefined {
  let total = 0;
  for (const { rows } of tasks) {
    if (rows === undefined) return undefined;
    total += rows;
  }
  return total;
}

function opOf(text: string | undefined): (typeof OPS)[number] | undefined {
  const op = OPS.find((name) => name === text);
  if (text !== undefined && !op)
    throw new EiderError("config_invalid", `--op is one of ${OPS.join(", ")}, not ${text}`);
  return op;
}
