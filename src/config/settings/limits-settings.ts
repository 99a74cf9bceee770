import { bytes, seconds, whole } from "../kinds.ts";
import { GIB, MIB, type SettingRows, TIMER_MAX_SECONDS } from "../setting.ts";

/** grpc-js takes message limits as signed 32-bit numbers. */
const MESSAGE_MAX_BYTES = 2 ** 31 - 1;

export const LIMITS_SETTINGS = {
  sessionIdleSeconds: {
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 1800,
    help: "time without a call after which a session ends",
  },
  sessionOrphanSeconds: {
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 60,
    help: "the same for a session whose client has no connection any more",
  },
  transactionIdleSeconds: {
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 1800,
    help: "time without a statement after which an open transaction is rolled back",
  },
  statementIdleSeconds: {
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 1800,
    help: "time after which a result ends of which its reader takes nothing",
  },
  ticketSeconds: {
    kind: seconds(1, TIMER_MAX_SECONDS),
    default: 600,
    help: "time after which a result that nobody fetches, or a poll that nobody asks for, is dropped",
  },
  pollSeconds: {
    kind: seconds(0.01, 3600),
    default: 5,
    help: "how long PollFlightInfo waits for a statement to end before it answers that it runs",
  },
  spoolMemoryBytes: {
    kind: bytes(0),
    default: "256MiB",
    help: "memory of all results that wait for their readers, a quarter of it for one; beyond it they go to disk",
  },
  spoolDiskLimitBytes: {
    kind: bytes(0),
    default: "10GB",
    help: "bytes on disk of all results that wait for their readers; the one that would pass it ends with an error",
  },
  resultAheadBytes: {
    kind: bytes(0),
    default: "128MB",
    help: "computed ahead for the readers of all open results, 8 MB of it for one, less for each the more there are",
  },
  maxSessions: { kind: whole(1, 1_000_000), default: 1000, help: "sessions at the same time" },
  maxMessageBytes: {
    kind: bytes(MIB, MESSAGE_MAX_BYTES),
    default: "256MiB",
    help: "largest Flight message that is taken",
  },
  maxStreamsInFlight: {
    kind: whole(1, 1_000_000),
    default: 1000,
    help: "DoGet and DoPut calls at the same time",
  },
  maxTickets: {
    kind: whole(1, 1_000_000),
    default: 10_000,
    help: "results that wait to be fetched, and as many polls",
  },
  maxPreparedStatements: {
    kind: whole(1, 1_000_000),
    default: 10_000,
    help: "prepared statements that are not closed, of all sessions",
  },
  maxStatementBytes: {
    kind: bytes(1024, 256 * MIB),
    default: "16MiB",
    help: "longest SQL text of a statement or script; taken apart it takes many times as much memory",
  },
  maxParameterBytes: {
    kind: bytes(1024, 16 * GIB),
    default: "256MiB",
    help: "largest set of parameters that is bound to a statement at once, in memory",
  },
  maxPutBatchesInFlight: {
    kind: whole(1, 10_000),
    default: 64,
    help: "batches of one DoPut that are being made durable while the next are read; then it is not read",
  },
  maxPutBytesInFlight: {
    kind: bytes(1024, 16 * GIB),
    default: "64MiB",
    help: "bytes of those batches",
  },
} satisfies SettingRows;
