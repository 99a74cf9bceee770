import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { runPython } from "../support/python.ts";
import { startEider } from "../support/start-eider.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: ReadonlyArray<{ key: string; value: Record<string, unknown> }>;
}

/** OTLP over HTTP with JSON: https://opentelemetry.io/docs/specs/otlp/#otlphttp */
async function openReceiver() {
  const spans: Span[] = [];
  const resources: unknown[] = [];
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as {
      resourceSpans: Array<{ resource: { attributes: unknown }; scopeSpans: Array<{ spans: Span[] }> }>;
    };
    expect([request.method, request.url]).toEqual(["POST", "/v1/traces"]);
    for (const { resource, scopeSpans } of body.resourceSpans) {
      resources.push(resource.attributes);
      for (const scope of scopeSpans) spans.push(...scope.spans);
    }
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    resources,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

const WRITE = `
import json, sys
import pyarrow as pa, pyarrow.flight as flight
uri = json.load(sys.stdin)["uri"]
options = flight.FlightCallOptions(headers=[(b"traceparent", b"00-${TRACE}-${PARENT}-01")])
with flight.connect(uri) as client:
    batch = pa.record_batch({"id": [1, 2, 3]})
    writer, reader = client.do_put(flight.FlightDescriptor.for_path("traced"), batch.schema, options)
    writer.write_batch(batch)
    reader.read()
    writer.close()
    client.do_get(flight.Ticket(b"CALL duckling_queue_flush('traced')")).read_all()
    try:
        client.do_get(flight.Ticket(b"SELEC 1")).read_all()
    except Exception:
        pass
print("{}")`;

test("calls, requests and flushes are spans, in the client's trace where it has one", async () => {
  await using receiver = await openReceiver();
  await using eider = await startEider({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test" },
  });
  await runPython(WRITE, { uri: eider.flightUri });
  const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
  await (await fetch(`${eider.httpUrl}/query`, { method: "POST", headers, body: '{"sql": "SELECT 1"}' })).text();
  await (await fetch(`${eider.httpUrl}/nowhere`)).text();
  // The end sends what waits.
  expect(await eider.stop()).toEqual({ code: 0, signal: null });
  const named = (name: string) => receiver.spans.filter((span) => span.name === name);
  const [put] = named("arrow.flight.protocol.FlightService/DoPut");
  expect(put).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, kind: 2 });
  expect(put?.attributes).toContainEqual({ key: "rpc.response.status_code", value: { stringValue: "OK" } });
  const gets = named("arrow.flight.protocol.FlightService/DoGet");
  expect(gets.map((span) => Reflect.get(span, "status").code).sort()).toEqual([0, 2]);
  const [request] = named("POST /query");
  expect(request).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, kind: 2 });
  expect(request?.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: 200 } });
  expect(named("GET")[0]?.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: 404 } });
  const [flush] = named("flush main.traced");
  expect(flush?.attributes).toContainEqual({ key: "eider.flush.rows_inserted", value: { intValue: 3 } });
  const phases = receiver.spans.filter((span) => span.parentSpanId === flush?.spanId);
  expect(phases.map(({ name }) => name)).toEqual(["compact", "write", "guard", "commit", "harden", "remove"]);
  for (const phase of phases) {
    expect(phase.traceId).toBe(flush?.traceId);
    expect(BigInt(phase.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(phase.startTimeUnixNano));
  }
  expect(receiver.resources[0]).toEqual(
    expect.arrayContaining([
      { key: "service.name", value: { stringValue: "eider" } },
      { key: "deployment.environment", value: { stringValue: "test" } },
    ]),
  );
});

test("a collector that is not there harms nobody", async () => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  await using eider = await startEider({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: "50" },
  });
  await runPython(WRITE, { uri: eider.flightUri });
  expect(await eider.stop()).toEqual({ code: 0, signal: null });
  expect(eider.logs).not.toMatch(/"level":"(error|fatal)"/);
});
