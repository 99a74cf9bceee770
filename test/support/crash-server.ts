import type { FailpointSpec } from "../../src/base/failpoints.ts";
import { runCli } from "../../src/cli/main.ts";
import { processShell } from "../../src/cli/process-shell.ts";

/** `crash-server.js FAILPOINTS_JSON serve …`: the real command line with failpoints, which no released program takes. */
const [spec = "{}", ...args] = process.argv.slice(2);
const failpoints: FailpointSpec = JSON.parse(spec);
process.exit(await runCli(args, processShell(failpoints)));
