import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { CONSISTENCIES, consistencyOf } from "../base/consistency.ts";
import { FlightError } from "../client/flight-error.ts";
import { EiderError, messageOf } from "../errors.ts";
import { withClient } from "./connection.ts";
import type { ConnectionFlags } from "./connection-flags.ts";
import { FORMAT_NAMES, type FormatName, IS_BINARY } from "./output/format-names.ts";
import { FORMATS } from "./output/formats.ts";
import { ProgressLine, rateText } from "./output/progress.ts";
import { EXIT, type Shell } from "./shell.ts";
import { utf8Text } from "./utf8-text.ts";

export interface QueryFlags extends ConnectionFlags {
  readonly file?: string;
  readonly format?: string;
  readonly maxRows: string;
  readonly pager: boolean;
  readonly consistency: string;
}

/** Runs one statement, of the argument, a file or standard input, and prints its rows. */
export async function query(argument: string | undefined, flags: QueryFlags, shell: Shell): Promise<number> {
  const format = formatOf(flags.format ?? "table", shell);
  const maxRows = Number(flags.maxRows);
  if (!Number.isSafeInteger(maxRows) || maxRows < 0) {
    throw new EiderError("config_invalid", `--max-rows is a number of rows, or 0 for all, not ${flags.maxRows}`);
  }
  if (!consistencyOf(flags.consistency)) {
    throw new EiderError(
      "config_invalid",
      `--consistency is one of ${CONSISTENCIES.join(", ")}, not ${flags.consistency}`,
    );
  }
  const sql = await textOf(argument, flags.file, shell);
  if (sql.trim() === "") throw new EiderError("config_invalid", "there is no SQL to run: see eider query --help");
  return await withClient(flags, shell, async (client) => {
    await (await client.query(`SET eider_read_consistency = '${flags.consistency}'`))[Symbol.asyncDispose]();
    const startedMs = performance.now();
    let rows = 0;
    using _progress = new ProgressLine(shell, () => rateText(rows, performance.now() - startedMs));
    await using result = await client.query(sql).catch((error: unknown) => {
      throw flags.consistency === "eventual" ? error : withAdvice(error);
    });
    if (result.schema.fields.length === 0) {
      if (result.rowsChanged !== undefined) shell.stderr(`${result.rowsChanged} rows changed\n`);
      return EXIT.ok;
    }
    const onRows = (count: number) => {
      rows += count;
    };
    const isPaged = format === "table" && flags.pager && shell.stdoutIsTerminal;
    const write = isPaged ? shell.page : shell.write;
    for await (const part of FORMATS[format](result, { maxRows, onRows })) await write(part);
    return EXIT.ok;
  });
}

/** A flush before the query may be what failed. */
function withAdvice(error: unknown): unknown {
  if (!(error instanceof FlightError) || error.code !== "lake_unavailable") return error;
  error.message += "; --consistency eventual reads the lake as it is, without the rows that wait";
  return error;
}

function formatOf(text: string, shell: Shell): FormatName {
  const format = FORMAT_NAMES.find((name) => name === text);
  if (!format) throw new EiderError("config_invalid", `--format is one of ${FORMAT_NAMES.join(", ")}, not ${text}`);
  if (IS_BINARY.has(format) && shell.stdoutIsTerminal) {
    throw new EiderError("config_invalid", `${format} is not for a terminal: redirect it, as in > rows.${format}`);
  }
  return format;
}

async function textOf(argument: string | undefined, file: string | undefined, shell: Shell): Promise<string> {
  if (argument !== undefined && file !== undefined) {
    throw new EiderError("config_invalid", "give the SQL as an argument or by --file, not both");
  }
  if (argument !== undefined && argument !== "-") return argument;
  if (file === undefined || file === "-") {
    if (shell.stdinIsTerminal) shell.stderr("SQL, then Ctrl-D:\n");
    return await shell.readInput();
  }
  const bytes = await readFile(resolve(shell.cwd, file)).catch((error: unknown) => {
    throw new EiderError("config_invalid", `cannot read ${file}: ${messageOf(error)}`);
  });
  return utf8Text(bytes, file);
}
