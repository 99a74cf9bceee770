import { z } from "zod";
import type { Metrics } from "../observe/metrics.ts";
import { HealthProbe } from "./health.ts";
import { type Route, withBody } from "./route.ts";

/** What operators and their tools call: probes, metrics, flush. */
export interface OperationServices {
  readonly metrics: Metrics;
  /** Routes that answer without credentials although others do not; default: probes do, metrics do not. */
  readonly open?: { readonly health: boolean; readonly metrics: boolean };
  /** Resolves when DuckDB answers, whatever the lake's catalog does. */
  readonly probe: () => Promise<void>;
  /** Why the server takes no requests yet, or any more; empty when it does. */
  readonly notReady: () => readonly string[];
  /** What does not work although requests are taken; default: everything works. */
  readonly degraded?: () => readonly string[];
  /** Flushes one table (`t`, `schema.t`) or all; resolves once it is committed. */
  readonly flush: (table: string | undefined) => Promise<void>;
}

const DEFAULT_OPEN = { health: true, metrics: false };

const Health = z.object({ status: z.enum(["ok", "error"]), db_connected: z.boolean(), error: z.string().optional() });
const Readiness = z.object({ status: z.enum(["ready", "degraded", "not_ready"]), reasons: z.array(z.string()) });
const FlushRequest = z
  .strictObject({
    table: z
      .string('must be a name such as "events" or "main.events"')
      .min(1, 'must be a name such as "events" or "main.events"')
      .optional()
      .describe("`table` or `schema.table`; all tables without it"),
  })
  .optional();
const Flushed = z.object({ status: z.literal("ok"), flushed: z.string() });

const json = (description: string, schema: z.ZodType, status = 200) => ({
  status,
  description,
  content: { "application/json": schema },
});

export function operationRoutes(services: OperationServices): Route[] {
  const { metrics, probe, notReady, degraded = () => [], flush, open = DEFAULT_OPEN } = services;
  const health = new HealthProbe({ probe, now: () => performance.now() });
  return [
    {
      method: "GET",
      path: "/health",
      access: open.health ? "open" : "read",
      summary: "Whether the database answers",
      answers: [json("it does", Health), json("it does not", Health, 503)],
      async handle(_, reply) {
        const error = await health.check();
        if (error === undefined) return { status: "ok", db_connected: true };
        return reply.code(503).send({ status: "error", db_connected: false, error });
      },
    },
    {
      method: "GET",
      path: "/ready",
      access: open.health ? "open" : "read",
      summary: "Whether the server takes requests",
      description:
        "`degraded`, with reasons, while the lake's catalog is away: appends are still taken, so that this is no reason to send them elsewhere.",
      answers: [json("it does", Readiness), json("not yet, or not any more; with reasons", Readiness, 503)],
      async handle(_, reply) {
        const reasons = notReady();
        if (reasons.length === 0) {
          const lacks = degraded();
          return { status: lacks.length === 0 ? "ready" : "degraded", reasons: lacks };
        }
        return reply.code(503).send({ status: "not_ready", reasons });
      },
    },
    {
      method: "GET",
      path: "/metrics",
      access: open.metrics ? "open" : "read",
      summary: "Metrics in Prometheus' text format",
      answers: [{ status: 200, description: "all metrics", content: { "text/plain": undefined } }],
      async handle(_, reply) {
        const { contentType, text } = await metrics.expose();
        return reply.type(contentType).send(text);
      },
    },
    {
      method: "POST",
      path: "/flush",
      access: "admin",
      summary: "Commits waiting rows to the lake",
      description: "Answers once the rows are committed and safe on disk.",
      answers: [json("committed", Flushed)],
      ...withBody(FlushRequest, async (_request, _reply, body) => {
        await flush(body?.table);
        return { status: "ok", flushed: body?.table ?? "all" };
      }),
    },
  ];
}
