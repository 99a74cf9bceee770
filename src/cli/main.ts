import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ROLES } from "../access/principal.ts";
import { addSettingFlags, type Flags, readFlags } from "../config/flags.ts";
import { EiderError, messageOf } from "../errors.ts";
import { addClientCommands } from "./client-commands.ts";
import { EXIT, type Shell } from "./shell.ts";

interface CommandRow {
  readonly name: string;
  readonly description: string;
  /** Resolves to the exit code. */
  readonly run: (flags: Flags, shell: Shell) => Promise<number>;
}

/** What they run is loaded when it is to run: the whole server takes a second to load, a query must not wait for it. */
const COMMANDS: readonly CommandRow[] = [
  {
    name: "serve",
    description: "Serve Flight SQL and HTTP until SIGTERM or SIGINT.",
    run: async (flags, shell) => (await import("./serve.ts")).serve(flags, shell),
  },
  {
    name: "check",
    description: "Check settings, extensions, folders and ports; exit code 78 when something is wrong.",
    run: async (flags, shell) => (await import("./check.ts")).check(flags, shell),
  },
];

const FOOTER = `
Every setting is also an environment variable (EIDER_BUFFER_MEMORY_MB) and a key of the YAML file
(buffer_memory_mb). A flag wins over the environment, the environment over the file.`;

const HELP_WIDTH = 110;

/** Runs the command line `args` (without node and script); resolves to the exit code. */
export async function runCli(args: readonly string[], shell: Shell): Promise<number> {
  const chosen: { run?: () => Promise<number> } = {};
  const program = createProgram(shell, (run) => {
    chosen.run = run;
  });
  try {
    // SQL that begins with a comment is no flag: the name of one has no spaces, and no further line.
    const words = args.map((arg) => (/^--(\s|[^=]*\n)/.test(arg) ? ` ${arg}` : arg));
    await program.parseAsync(words, { from: "user" });
    return chosen.run === undefined ? EXIT.ok : await chosen.run();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.config;
    // Who reads the output, `head` for example, has enough.
    if (error instanceof Error && Reflect.get(error, "code") === "EPIPE") return EXIT.ok;
    shell.stderr(`eider: ${messageOf(error)}\n`);
    return error instanceof EiderError && error.code === "config_invalid" ? EXIT.config : EXIT.failed;
  }
}

/** Says what is to be run once the command line has been read. */
type Choose = (run: () => Promise<number>) => void;

function createProgram(shell: Shell, choose: Choose): Command {
  const program = new Command("eider")
    .description("Arrow Flight SQL server that turns many small writes into few, compacted DuckLake commits")
    .version(packageVersion(), "-v, --version")
    .showHelpAfterError("(eider --help shows the commands)");
  prepare(program, shell);
  for (const row of COMMANDS) {
    const command = prepare(program.command(row.name), shell).description(row.description);
    addSettingFlags(command).addHelpText("after", FOOTER);
    command.action(() => choose(() => row.run(readFlags(command), shell)));
  }
  addClientCommands(program, (usage) => prepare(program.command(usage), shell), shell, choose);
  addUserCommand(program, shell, choose);
  return program;
}

function addUserCommand(program: Command, shell: Shell, choose: Choose): void {
  const user = prepare(program.command("user"), shell).description("Users of a server with authentication.");
  const add = prepare(user.command("add <name>"), shell)
    .description("Add a user to a users file, or change one; the password is read from standard input.")
    .option("--users-file <path>", "the file; made when missing (also EIDER_USERS_FILE)")
    .option("--role <role>", `role on every schema: ${ROLES.join(", ")}`)
    .option("--schema <name=role>", "role on one schema; may be repeated", (text, all: string[]) => [...all, text], [])
    .option("--token", "make a bearer token, print it, and ask for no password");
  add.action((name: string) => {
    const { usersFile, role, schema, token } = add.opts<{
      usersFile?: string;
      role?: string;
      schema: string[];
      token?: true;
    }>();
    const path = usersFile ?? shell.env["EIDER_USERS_FILE"];
    choose(async () => {
      if (path === undefined || path === "") throw new EiderError("config_invalid", "--users-file is not given");
      const { addUser } = await import("./user.ts");
      return await addUser(
        { name, usersFile: path, role, schemas: schema, token: token === true, password: token !== true },
        shell,
      );
    });
  });
}

/** Commander writes and exits by itself unless told where to. */
function prepare(command: Command, shell: Shell): Command {
  return command.exitOverride().configureOutput({
    writeOut: shell.stdout,
    writeErr: shell.stderr,
    getOutHelpWidth: () => HELP_WIDTH,
    getErrHelpWidth: () => HELP_WIDTH,
  });
}

/** The version in package.json, which is two folders above the compiled file's `src/`. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  const { version }: { version?: unknown } = JSON.parse(text);
  return String(version);
}
