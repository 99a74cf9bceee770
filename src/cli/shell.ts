import type { FailpointSpec } from "../base/failpoints.ts";

/** What a command sees of the process it runs in; `main.ts` makes it from `process`, tests from what they like. */
export interface Shell {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** For output of any size: resolves when it may go on; rejects with EPIPE when nobody reads. */
  readonly write: (part: string | Uint8Array) => Promise<void>;
  /** Shows a text to a person at a terminal, by a pager when it is longer than the screen. */
  readonly page: (text: string | Uint8Array) => Promise<void>;
  /** All of standard input. */
  readonly readInput: () => Promise<string>;
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Calls `listener` at each SIGTERM and SIGINT; returns what stops it. */
  readonly onStopSignal: (listener: (signal: string) => void) => () => void;
  /** Ends the process at once, whatever runs in it; its exit status is that of SIGKILL. */
  readonly exitNow: () => void;
  /** One line of standard input; asked for and not shown on a terminal. */
  readonly readSecret: (question: string) => Promise<string>;
  readonly failpoints?: FailpointSpec;
}

/** Exit codes; from 64 on those of sysexits.h: systemd's RestartPreventExitStatus can name 78, EX_CONFIG. */
export const EXIT = { ok: 0, failed: 1, unavailable: 69, noPermission: 77, config: 78 } as const;
