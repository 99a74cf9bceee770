import type { FailpointSpec } from "../base/failpoints.ts";

/** What a command sees of the process it runs in; `main.ts` makes it from `process`, tests from what they like. */
export interface Shell {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stderrIsTerminal: boolean;
  /** Calls `listener` at each SIGTERM and SIGINT; returns what stops it. */
  readonly onStopSignal: (listener: (signal: string) => void) => () => void;
  /** Ends the process at once, whatever runs in it; its exit status is that of SIGKILL. */
  readonly exitNow: () => void;
  /** One line of standard input; asked for and not shown on a terminal. */
  readonly readSecret: (question: string) => Promise<string>;
  readonly failpoints?: FailpointSpec;
}

/** Exit codes; 78 is EX_CONFIG of sysexits.h, which systemd's RestartPreventExitStatus can name. */
export const EXIT = { ok: 0, failed: 1, config: 78 } as const;
