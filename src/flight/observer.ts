/** What the composition root connects to the metrics; the protocol layer knows no metrics library. */
export interface Observer {
  /**
   * A call has ended. `command`: the Flight SQL message, action, `path`, `sql` or `-`: a closed set, fit for a label.
   * `code`: the gRPC status' name, `OK` included. `parent`: the client's `traceparent` header.
   */
  request(method: string, command: string, code: string, durationMs: number, parent: string | undefined): void;
  /** Calls that have begun and not ended, by method. */
  inFlight(method: string, count: number): void;
  /** Sessions that are open. */
  sessions(count: number): void;
  /** A call was refused by a limit; `limit` is the setting's name. */
  refused(limit: string): void;
  /** A session was ended because nobody used it, or an answer because nobody took it. */
  leftAlone(what: "session" | "answer"): void;
}

export const SILENT_OBSERVER: Observer = {
  request: () => undefined,
  inFlight: () => undefined,
  sessions: () => undefined,
  refused: () => undefined,
  leftAlone: () => undefined,
};

/** The part of a pino logger that is used here. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
