import { runCli } from "./cli/main.ts";
import { processShell } from "./cli/process-shell.ts";

// A call that hangs in DuckDB or a forgotten timer must not keep a stopped server alive.
process.exit(await runCli(process.argv.slice(2), processShell()));
