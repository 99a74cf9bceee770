import type { Command } from "commander";
import { completion, SHELLS } from "./completion.ts";
import { addConnectionFlags, type ConnectionFlags } from "./connection.ts";
import { flush } from "./flush.ts";
import { FORMAT_NAMES } from "./output/formats.ts";
import { type QueryFlags, query } from "./query.ts";
import type { Shell } from "./shell.ts";

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
    .option("--max-rows <count>", "rows of a table that are shown; 0: all", "100");
  queryCommand.action((sql: string | undefined) => choose(() => query(sql, queryCommand.opts<QueryFlags>(), shell)));

  const flushCommand = addConnectionFlags(add("flush [table]")).description(
    "Commit the rows that wait for a table, or for all, to the lake.",
  );
  flushCommand.action((table: string | undefined) =>
    choose(() => flush(table, flushCommand.opts<ConnectionFlags>(), shell)),
  );

  add("completion <shell>")
    .description(`Print the completion script of a shell: ${SHELLS.join(", ")}.`)
    .action((name: string) => choose(async () => completion(program, name, shell)));
}
