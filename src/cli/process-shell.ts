import type { FailpointSpec } from "../base/failpoints.ts";
import type { Shell } from "./shell.ts";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** The real process as a Shell. `failpoints` come from tests alone. */
export function processShell(failpoints?: FailpointSpec): Shell {
  return {
    env: process.env,
    cwd: process.cwd(),
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    stderrIsTerminal: process.stderr.isTTY === true,
    onStopSignal(listener) {
      for (const signal of STOP_SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of STOP_SIGNALS) process.off(signal, listener);
      };
    },
    exitNow: (code) => process.exit(code),
    ...(failpoints ? { failpoints } : {}),
  };
}
