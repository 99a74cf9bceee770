import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Principal } from "../access/principal.ts";
import { must } from "../base/assert.ts";
import { CONSISTENCIES } from "../base/consistency.ts";
import { EiderError, messageOf } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import type { QueryBackend } from "./backend.ts";
import { errorBody } from "./error-body.ts";
import { chooseFormat, JSON_LIMIT, RESULT_FORMATS, type ResultFormat } from "./result-formats.ts";
import { type Route, withBody } from "./route.ts";
import { sendPieces } from "./send-pieces.ts";

export interface QueryServices {
  readonly backend: QueryBackend;
  readonly timeoutSeconds: number;
  readonly log: Logger;
}

const QUERY_ID = /^[\w.:-]{1,100}$/;
const QUERY_ID_HEADER = "Eider-Query-Id";

const QueryBody = z.strictObject({
  sql: z.string("must be a text").min(1, "must not be empty").describe("one statement that reads"),
  limit: z
    .int()
    .min(0)
    .optional()
    .describe(
      `rows at most; for JSON ${JSON_LIMIT.default} without it and ${JSON_LIMIT.max} at most, for other formats all rows`,
    ),
  offset: z.int().min(0).default(0).describe("rows that are left out before the first"),
  consistency: z
    .enum(CONSISTENCIES)
    .default("session")
    .describe("`strong` first commits rows that wait for the tables that the query names"),
});

/** A cell: what JSON has no exact form for is a string. */
const Cell = z.unknown();
const JsonResult = z.object({
  columns: z.array(z.string()),
  rows: z.array(z.array(Cell)),
  row_count: z.int(),
  execution_time_ms: z.int(),
});
const Cancelled = z.object({ status: z.literal("ok"), cancelled: z.string() });

export function queryRoutes({ backend, timeoutSeconds, log }: QueryServices): Route[] {
  return [
    {
      method: "POST",
      path: "/query",
      access: "read",
      summary: "Runs one statement that reads",
      description: [
        "SELECT, WITH, SHOW, DESCRIBE and EXPLAIN, by DuckDB's own statement type, in a READ ONLY transaction.",
        "`Accept` chooses the format. In JSON, integers beyond 2^53 and decimals of more than 15 digits are strings, as are",
        "NaN and infinities; BLOBs are base64, timestamps ISO 8601, MAPs objects.",
        'A failure after the answer has begun cuts the connection; NDJSON has a last line `{"error":…}` before that.',
        "Closing the connection cancels the query.",
      ].join(" "),
      headers: {
        Accept: `one of ${RESULT_FORMATS.map(({ mediaType }) => mediaType).join(", ")}`,
        [QUERY_ID_HEADER]: "a name for the query, by which it can be cancelled; the answer has it, too",
      },
      answers: [
        {
          status: 200,
          description: RESULT_FORMATS.map(({ name, description }) => `${name}: ${description}`).join("; "),
          content: Object.fromEntries(
            RESULT_FORMATS.map(({ name, mediaType }) => [mediaType, name === "json" ? JsonResult : undefined]),
          ),
        },
      ],
      ...withBody(QueryBody, async (request, reply, { sql, limit, offset, consistency }) => {
        const id = queryId(request, backend);
        reply.header(QUERY_ID_HEADER, id);
        const format = chooseFormat(request.headers.accept);
        reply.header("Vary", "Accept");
        const principal = principalOf(request);
        const query = { id, principal, sql, limit: rowLimit(format, limit), offset, format: format.name, consistency };
        using stop = new QueryStop(reply, timeoutSeconds);
        return await sendPieces(reply, backend.run(query, stop.controller), {
          ...format,
          signal: stop.controller.signal,
          onFailure(error) {
            log.debug({ err: error, query: id }, "a query failed after its answer had begun");
            return format.errorLine?.(errorBody(known(error)));
          },
        });
      }),
    },
    {
      method: "DELETE",
      path: "/query/:id",
      access: "read",
      summary: "Cancels a running query",
      description: "Of HTTP or Flight SQL: one's own; all of them for the role admin. `/status.json` lists them.",
      answers: [{ status: 200, description: "it was told to stop", content: { "application/json": Cancelled } }],
      async handle(request) {
        const { id } = request.params as { id: string };
        if (backend.cancel(id, principalOf(request))) return { status: "ok", cancelled: id };
        throw new EiderError("not_found", `no query ${id} is running`);
      },
    },
  ];
}

/** What ends a query before its end: the timeout, until its last byte is sent, and a client that has gone. */
class QueryStop implements Disposable {
  readonly controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #reply: FastifyReply;

  constructor(reply: FastifyReply, timeoutSeconds: number) {
    this.#reply = reply;
    reply.raw.once("close", this.#onClose);
    this.#timer = setTimeout(() => {
      this.#stop("deadline_exceeded", `the query took longer than ${timeoutSeconds} s (query_timeout_seconds)`);
    }, timeoutSeconds * 1000);
  }

  readonly #onClose = () => this.#stop("cancelled", "the client has closed the connection");

  #stop(code: "cancelled" | "deadline_exceeded", message: string): void {
    this.controller.abort(new EiderError(code, message));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#reply.raw.off("close", this.#onClose);
  }
}

function principalOf({ principal }: FastifyRequest): Principal {
  return must(principal, "the route is not open, so that its caller is known");
}

function queryId(request: FastifyRequest, backend: QueryBackend): string {
  const id = request.headers[QUERY_ID_HEADER.toLowerCase()];
  if (id === undefined) return randomUUID();
  if (typeof id !== "string" || !QUERY_ID.test(id)) {
    throw new EiderError("request_invalid", `${QUERY_ID_HEADER} takes 1 to 100 letters, digits and _ . : -`);
  }
  if (backend.has(id)) throw new EiderError("already_exists", `a query ${id} is running already`);
  return id;
}

function rowLimit({ limit: allowed }: ResultFormat, limit: number | undefined): number | undefined {
  if (!allowed) return limit;
  if (limit === undefined) return allowed.default;
  if (limit <= allowed.max) return limit;
  throw new EiderError(
    "request_invalid",
    `\`limit\` is at most ${allowed.max} for JSON; page with \`offset\`, or ask for NDJSON, CSV, Arrow or Parquet`,
  );
}

function known(error: unknown): EiderError {
  return error instanceof EiderError ? error : new EiderError("internal", messageOf(error), { cause: error });
}
