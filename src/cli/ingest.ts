import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { EiderClient } from "../client/client.ts";
import { FlightError } from "../client/flight-error.ts";
import { quotedName } from "../client/table-name.ts";
import { NO_FLAGS } from "../config/flags.ts";
import { loadConfig } from "../config/load.ts";
import { EiderError, type ErrorCode } from "../errors.ts";
import type { FoundFile } from "../files/file-list.ts";
import { type FileBatch, FileReader } from "../files/file-reader.ts";
import { type FileFormat, fileFormatOf } from "../files/formats.ts";
import type { WantedColumn } from "../files/typed-text.ts";
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
/** What is wrong with a file, and stays so. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set(["schema_mismatch", "sql_invalid", "type_unsupported"]);
const REMOTE = /^[a-z0-9]+:\/\//i;

/**
 * Appends files to a table. A batch's token is its file's fingerprint, how that is cut, and its number there: a run that
 * broke is run again by the same command, and what is stored already is not stored twice.
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
  const wanted = format.sniff ? await columnsOf(client, flags.table) : [];
  const { cut, batches } = await reader.open(file.path, format, wanted);
  const name = [file.fingerprint, ...(cut === "" ? [] : [cut])].join(":");
  const read = new ReadUntilFailure(batches);
  const { rows } = await client.put(flags.table, read.batches(), {
    ...(op ? { op } : {}),
    token: (index) => batchToken(name, index, run),
    onAck: ({ rows }) => {
      done.rows += rows;
    },
    onRetry: () => {
      done.retries++;
    },
  });
  if (read.failure === undefined) return;
  if (!(read.failure instanceof EiderError)) throw read.failure;
  const { code, message } = read.failure;
  const stored = rows === 0 ? "None of its rows are stored" : `Its first ${rows} rows are stored`;
  const advice = UNREADABLE.has(code)
    ? "Give the column another type and run the same command again, or mend the file and ingest the rest of it."
    : "Run the same command again for the rest.";
  throw new EiderError(code, `${message.trimEnd()}\n${stored}. ${advice}`, { cause: read.failure });
}

/** Ends where reading fails, so that all before that is acknowledged, and it can be said how much that is. */
class ReadUntilFailure {
  readonly #batches: AsyncIterable<FileBatch>;
  failure: unknown;

  constructor(batches: AsyncIterable<FileBatch>) {
    this.#batches = batches;
  }

  async *batches(): AsyncGenerator<FileBatch> {
    try {
      yield* this.#batches;
    } catch (error) {
      this.failure = error;
    }
  }
}

/** Those of the table that is there, with DuckDB's types; none where it is to be made. */
async function columnsOf(client: EiderClient, table: string): Promise<WantedColumn[]> {
  try {
    await using result = await client.query(`DESCRIBE ${quotedName(table)}`);
    const described = await result.toTable();
    return described.toArray().map(({ column_name, column_type }) => ({ name: column_name, type: column_type }));
  } catch (error) {
    if (error instanceof FlightError && error.code === "table_not_found") return [];
    throw error;
  }
}

export function batchToken(name: string, index: number, run = ""): string {
  return `file:${name}:${index}${run === "" ? "" : `:${run}`}`;
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
