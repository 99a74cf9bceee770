import type { Command } from "commander";
import { FILE_FORMAT_NAMES } from "../files/formats.ts";
import { completion, SHELLS } from "./completion.ts";
import { addConnectionFlags, type ConnectionFlags } from "./connection-flags.ts";
import type { IngestFlags } from "./ingest.ts";
import { FORMAT_NAMES } from "./output/format-names.ts";
import type { QueryFlags } from "./query.ts";
import type { Shell } from "./shell.ts";
import type { StatusFlags } from "./status.ts";

/** Makes the command `usage`; set up as all commands are. */
type AddCommand = (usage: string) => Command;
/** Says what is to be run once the command line has been read; it resolves to the exit code. */
type Choose = (run: () => Promise<number>) => void;

/** The commands that are clients of a server, near or far. */
export function addClientCommands(program: Command, add: AddCommand, shell: Shell, choose: Choose): void {
  const queryCommand = addConnectionFlags(add("query [sql]"))
    .description("Run one SQL statement, of the argument, a file or standard input, and print its rows.")
    .option("-f, --file <path>", "file with the SQL; - is standard input")
    .option("-o, --format <format>", `${FORMAT_NAMES.join(", ")} (default: table)`)
    .option("--max-rows <count>", "rows of a table that are shown; 0: all", "100")
    .option("--no-pager", "do not show a long table by a pager (PAGER, or less)")
    .option(
      "--consistency <level>",
      "strong: first commits all rows that wait for the tables it reads; eventual: the lake as it is",
      "strong",
    );
  queryCommand.action((sql: string | undefined) =>
    choose(async () => (await import("./query.ts")).query(sql, queryCommand.opts<QueryFlags>(), shell)),
  );

  const flushCommand = addConnectionFlags(add("flush [table]")).description(
    "Commit the rows that wait for a table, or for all, to the lake.",
  );
  flushCommand.action((table: string | undefined) =>
    choose(async () => (await import("./flush.ts")).flush(table, flushCommand.opts<ConnectionFlags>(), shell)),
  );

  const ingestCommand = addConnectionFlags(add("ingest <files...>"))
    .description(
      "Append files to a table: paths, globs in quotes, http(s):// and s3:// addresses. Run it again if it broke: what is " +
        "stored is not stored twice. CSV and JSON are read by the table's types.",
    )
    .requiredOption("-t, --table <name>", "table or schema.table; made from the first batch when it is missing")
    .option("--format <format>", `${FILE_FORMAT_NAMES.join(", ")} (default: by the name's ending)`)
    .option("--op <op>", "insert, upsert or delete, by the table's primary key (default: upsert where it has one)")
    .option("--again", "store files again that were stored within the server's token_retention_seconds");
  ingestCommand.action((files: string[]) =>
    choose(async () => (await import("./ingest.ts")).ingest(files, ingestCommand.opts<IngestFlags>(), shell)),
  );

  const statusCommand = addConnectionFlags(add("status"))
    .description("Show buffers, flushes that are due and the last ones; on a terminal again each second.")
    .option("--once", "show it once")
    .option("--json", "once, as one JSON object");
  statusCommand.action(() =>
    choose(async () => (await import("./status.ts")).status(statusCommand.opts<StatusFlags>(), shell)),
  );

  add("completion <shell>")
    .description(`Print the completion script of a shell: ${SHELLS.join(", ")}.`)
    .action((name: string) => choose(async () => completion(program, name, shell)));
}
