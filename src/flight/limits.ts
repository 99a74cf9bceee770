/** Limits of the protocol layer, each a setting; messages that report one name it as the setting is called (`max_sessions`). */
export interface Limits {
  /** Largest gRPC message that a client may send, in bytes. */
  readonly maxMessageBytes: number;
  /** A session that no call has used for so long is closed; its open transaction is rolled back. */
  readonly sessionIdleSeconds: number;
  /** The same for a session whose client's connections are all closed; gRPC clients may reconnect within it. */
  readonly sessionOrphanSeconds: number;
  /** An answer of which the client takes nothing for so long is ended, with the statement that makes it. */
  readonly statementIdleSeconds: number;
  readonly maxSessions: number;
  /** DoGet and DoPut calls at a time. */
  readonly maxStreamsInFlight: number;
  /** A result that is not fetched, and a poll that is not asked for, is dropped after so long. */
  readonly ticketSeconds: number;
  readonly maxTickets: number;
  readonly maxPreparedStatements: number;
  /** SQL text of one statement or script, in bytes: taken apart it takes many times as much memory. */
  readonly maxStatementBytes: number;
  /** Parameters bound to one prepared statement, in bytes. */
  readonly maxParameterBytes: number;
  /** Batches of one DoPut to a path that are being made durable while the next are read. */
  readonly maxPutBatchesInFlight: number;
  readonly maxPutBytesInFlight: number;
  /** How long PollFlightInfo waits for a statement to end before it answers that it still runs. */
  readonly pollSeconds: number;
}
