import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";
import { PinoPretty } from "pino-pretty";
import { maskSecrets } from "../base/secrets.ts";
import type { Problems } from "./problems.ts";

export type { Logger } from "pino";

/**
 * The log: JSON lines, or readable ones on a terminal, always on stderr: stdout carries the ready line alone. Written
 * synchronously, so that the last lines before a crash are there.
 */
export interface LogOptions {
  readonly level: string;
  readonly isTerminal: boolean;
  /** Where lines go; file descriptor 2 unless given. */
  readonly destination?: DestinationStream;
  /** Gets what is logged as a warning or worse. */
  readonly problems?: Problems;
}

const STDERR = 2;
const SECRET_KEYS = ["password", "authorization", "token", "secret", "cookie"];

export function createLog({ level, isTerminal, destination, problems }: LogOptions): Logger {
  const sink = destination ?? pino.destination({ fd: STDERR, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: maskFields },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "***" },
      serializers: { err: serializeError, error: serializeError },
      hooks: {
        // Drivers repeat connection strings in their messages.
        logMethod(inputs, method, levelNumber) {
          problems?.add(inputs, levelNumber, Date.now());
          method.apply(
            this,
            inputs.map((input: unknown) => (typeof input === "string" ? maskSecrets(input) : input)) as typeof inputs,
          );
        },
      },
    },
    isTerminal ? PinoPretty({ destination: sink, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l" }) : sink,
  );
}

/** Texts of users and of drivers are logged as fields, too. */
function maskFields(fields: Record<string, unknown>): Record<string, unknown> {
  const masked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    masked[name] = typeof value === "string" ? maskSecrets(value) : value;
  }
  return masked;
}

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === "string" ? maskSecrets(error) : error;
  const { type, message, stack, ...rest } = stdSerializers.err(error);
  return { type, message: maskSecrets(message), stack: maskSecrets(stack), ...rest };
}
