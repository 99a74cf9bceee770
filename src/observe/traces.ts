import type { Span } from "@opentelemetry/api";
import { targetName } from "../base/target.ts";
import type { FlushRecord } from "../flush/observer.ts";
import { VERSION } from "../version.ts";
import type { Logger } from "./log.ts";

/** A Flight call that has ended. */
export interface CallTrace {
  readonly method: string;
  readonly command: string;
  /** gRPC's name of the status. */
  readonly code: string;
  readonly durationMs: number;
  /** The client's `traceparent` header (https://www.w3.org/TR/trace-context): the call becomes part of that trace. */
  readonly parent: string | undefined;
}

/** An HTTP request that has ended. */
export interface RequestTrace {
  readonly method: string;
  /** The route's pattern; undefined where there is none. */
  readonly route: string | undefined;
  readonly status: number;
  readonly durationMs: number;
  /** As a call's. */
  readonly parent: string | undefined;
}

/** What the composition root tells of what has ended. */
export interface Traces extends AsyncDisposable {
  called(call: CallTrace): void;
  requested(request: RequestTrace): void;
  flushed(record: FlushRecord): void;
}

const SERVICE = "arrow.flight.protocol.FlightService";
/** In the order in which they run (`lake/commit.ts`). */
const PHASES = ["compact", "write", "guard", "commit", "harden", "remove"] as const;
/** A collector that does not answer must not hold up the end. */
const CLOSE_LIMIT_MS = 3_000;

/**
 * Spans to an OTLP collector, when one is named by the variables of OpenTelemetry
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter): OTEL_EXPORTER_OTLP_ENDPOINT or
 * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, with OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and the rest as the SDK reads them;
 * by HTTP and JSON. Without an endpoint nothing of OpenTelemetry is loaded.
 */
export async function openTraces(
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Promise<Traces | undefined> {
  if (!env["OTEL_EXPORTER_OTLP_ENDPOINT"] && !env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) return undefined;
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  const [api, core, resources, sdk, { OTLPTraceExporter }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/core"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/sdk-trace-base"),
    import("@opentelemetry/exporter-trace-otlp-http"),
  ]);
  const warn = (message: string) => log.warn({ message }, "traces could not be sent");
  const quiet = () => undefined;
  api.diag.setLogger({ error: warn, warn, info: quiet, debug: quiet, verbose: quiet }, api.DiagLogLevel.WARN);
  const provider = new sdk.BasicTracerProvider({
    resource: resources
      .resourceFromAttributes({ "service.name": "eider", "service.version": VERSION })
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer("eider", VERSION);
  const propagator = new core.W3CTraceContextPropagator();
  const fail = (span: Span, message: string) => span.setStatus({ code: api.SpanStatusCode.ERROR, message });

  const contextOf = (parent: string | undefined) => {
    const carrier = parent === undefined ? {} : { traceparent: parent };
    return propagator.extract(api.ROOT_CONTEXT, carrier, api.defaultTextMapGetter);
  };

  return {
    // https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
    requested({ method, route, status, durationMs, parent }) {
      const endMs = Date.now();
      const attributes = {
        "http.request.method": method,
        "http.response.status_code": status,
        ...(route === undefined ? {} : { "http.route": route }),
      };
      const options = { kind: api.SpanKind.SERVER, startTime: endMs - durationMs, attributes };
      const span = tracer.startSpan(route === undefined ? method : `${method} ${route}`, options, contextOf(parent));
      if (status >= 500) fail(span, String(status));
      span.end(endMs);
    },

    called({ method, command, code, durationMs, parent }) {
      const endMs = Date.now();
      const attributes = {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": method,
        "rpc.response.status_code": code,
        "eider.command": command,
      };
      const options = { kind: api.SpanKind.SERVER, startTime: endMs - durationMs, attributes };
      const span = tracer.startSpan(`${SERVICE}/${method}`, options, contextOf(parent));
      if (code !== "OK" && code !== "CANCELLED") fail(span, code);
      span.end(endMs);
    },

    flushed(record) {
      const endMs = record.startedMs + record.durationMs;
      const span = tracer.startSpan(`flush ${targetName(record.target)}`, {
        startTime: record.startedMs,
        attributes: {
          "eider.table": targetName(record.target),
          "eider.flush.reason": record.reason,
          "eider.flush.segments": record.segments,
          "eider.flush.rows_in": record.rowsIn,
          "eider.flush.rows_inserted": record.rowsInserted,
          "eider.flush.rows_deleted": record.rowsDeleted,
          "eider.flush.bytes": record.bytes,
        },
      });
      const context = api.trace.setSpan(api.ROOT_CONTEXT, span);
      const phases = PHASES.flatMap((phase) => {
        const ms = record.phasesMs[phase];
        return ms === undefined ? [] : [{ phase, ms }];
      });
      // Durations are known, beginnings are not: compaction comes first, the others are the end, one after the other.
      let atMs = endMs - phases.reduce((sum, { phase, ms }) => (phase === "compact" ? sum : sum + ms), 0);
      for (const { phase, ms } of phases) {
        const startTime = phase === "compact" ? record.startedMs : atMs;
        tracer.startSpan(phase, { startTime }, context).end(startTime + ms);
        if (phase !== "compact") atMs += ms;
      }
      span.end(endMs);
    },

    async [Symbol.asyncDispose]() {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_LIMIT_MS);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), limit]);
      clearTimeout(timer);
    },
  };
}
