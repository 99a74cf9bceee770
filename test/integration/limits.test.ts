import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceError } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { Flight } from "../../src/wire/messages.ts";
import { FlightTestClient, ticketOf } from "../support/flight-client.ts";
import { rowsOfFrames } from "../support/scenario-arrow.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;

/** More than the windows of HTTP/2 and the writes ahead hold. */
const ENDLESS = "SELECT r.range, repeat('x', 500) AS text FROM range(10_000_000) r";

const clientOf = (eider: RunningEider) => new FlightTestClient(Number(new URL(eider.flightUri).port));

async function metric(eider: RunningEider, name: string): Promise<number> {
  const text = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function untilMetric(eider: RunningEider, name: string, value: number): Promise<void> {
  while ((await metric(eider, name)) !== value) await sleep(20);
}

/** Samples of the metrics whose name begins with `eider_limit_`. */
async function limitsOf(eider: RunningEider): Promise<Map<string, number>> {
  const text = await (await fetch(`${eider.httpUrl}/metrics`)).text();
  const samples = text.matchAll(/^eider_limit_(\w+)\{limit="(\w+)"\} (\S+)$/gm);
  return new Map([...samples].map(([, what, limit, value]) => [`${what} ${limit}`, Number(value)]));
}

test("a limit is a setting that its refusal names with its value, and that the metrics show", async () => {
  await using eider = await startEider({
    settings: { maxTickets: 2, maxPreparedStatements: 1, maxStatementBytes: 2000, maxSessions: 1 },
  });
  using client = clientOf(eider);
  await client.query("SELECT 1");
  await client.query("SELECT 2");
  await client.prepare("SELECT 3");
  const refusals: Record<string, readonly [() => Promise<unknown>, RegExp]> = {
    max_tickets: [
      () => client.query("SELECT 4"),
      /2 tickets, as many as max_tickets \(2\) allows: .*ticket_seconds \(600\)/,
    ],
    max_prepared_statements: [
      () => client.prepare("SELECT 5"),
      /as many as max_prepared_statements \(1\) allows: close some/,
    ],
    max_statement_bytes: [
      () => client.query(`SELECT '${"x".repeat(2000)}'`),
      /longer than max_statement_bytes \(2000\): send/,
    ],
  };
  for (const [run, message] of Object.values(refusals)) {
    await expect(run()).rejects.toMatchObject({ code: RESOURCE_EXHAUSTED, message: expect.stringMatching(message) });
  }
  using other = clientOf(eider);
  await expect(other.query("SELECT 6")).rejects.toThrow(/as many as max_sessions \(1\) allows/);

  const limits = await limitsOf(eider);
  expect([...limits].filter(([name]) => /max_(tickets|prep|sta|sess)/.test(name))).toEqual(
    expect.arrayContaining([
      ["value max_tickets", 2],
      ["value max_prepared_statements", 1],
      ["value max_statement_bytes", 2000],
      ["used max_tickets", 2],
      ["used max_prepared_statements", 1],
      ["used max_sessions", 1],
      ...Object.keys(refusals).map((limit) => [`refusals_total ${limit}`, 1]),
      ["refusals_total max_sessions", 1],
    ]),
  );
  expect(limits.get("refusals_total max_message_bytes")).toBe(0);
});

test("what is dropped after its time makes room", async () => {
  await using eider = await startEider({ settings: { maxTickets: 1, ticketSeconds: 1 } });
  using client = clientOf(eider);
  await client.query("SELECT 1");
  const isTaken = () =>
    client.query("SELECT 2").then(
      () => true,
      () => false,
    );
  while (!(await isTaken())) await sleep(20);
  expect((await limitsOf(eider)).get("used max_tickets")).toBe(1);
});

/** One column, one row. */
async function singleValue(client: FlightTestClient, sql: string): Promise<unknown> {
  const [schema, ...frames] = await client.get(ticketOf(await client.query(sql)));
  const [row] = rowsOfFrames(schema?.header ?? Buffer.alloc(0), frames);
  return Object.values(row ?? {})[0];
}

test("a transaction that nobody uses is rolled back, and says so until ROLLBACK", async () => {
  await using eider = await startEider({ settings: { transactionIdleSeconds: 1 } });
  using client = clientOf(eider);
  await client.query("CREATE TABLE t (a INT)");
  await client.query("BEGIN");
  // Nothing is kept from anybody before its first statement.
  expect(await metric(eider, "eider_transactions")).toBe(0);
  await client.query("INSERT INTO t VALUES (1)");
  await untilMetric(eider, "eider_transactions_left_alone_total", 1);
  await untilMetric(eider, "eider_transactions", 0);

  const told = {
    code: FAILED_PRECONDITION,
    message: expect.stringMatching(/transaction_idle_seconds \(1\): it was rolled back.*ROLLBACK/),
  };
  for (const sql of ["INSERT INTO t VALUES (2)", "INSERT INTO duckling_queue.t VALUES (3)", "BEGIN"]) {
    await expect(client.query(sql), sql).rejects.toMatchObject(told);
  }
  await expect(singleValue(client, "SELECT count(*)::INT AS n FROM t")).rejects.toMatchObject(told);
  await client.query("ROLLBACK");
  expect(await singleValue(client, "SELECT count(*)::INT AS n FROM t")).toBe(0);

  // COMMIT tells it, too, and that is the end of it.
  await client.query("BEGIN");
  await client.query("INSERT INTO t VALUES (4)");
  await untilMetric(eider, "eider_transactions_left_alone_total", 2);
  await expect(client.query("COMMIT")).rejects.toMatchObject(told);
  await client.query("INSERT INTO t VALUES (5)");
  expect(await singleValue(client, "SELECT list(a) = [5] AS ok FROM t")).toBe(true);
});

test("a transaction whose result is still read is not idle", async () => {
  await using eider = await startEider({ settings: { transactionIdleSeconds: 1 } });
  using client = clientOf(eider);
  await client.query("BEGIN");
  const call = client.open("DoGet");
  call.on("error", () => undefined);
  const first = new Promise((resolve) => call.once("data", resolve));
  call.write(Flight.Ticket.encode({ ticket: ticketOf(await client.query(ENDLESS)) }));
  await first;
  call.pause();
  // As long as another one takes to be rolled back after its last use.
  using other = clientOf(eider);
  await other.query("BEGIN");
  await other.query("CREATE TEMP TABLE x (a INT)");
  await untilMetric(eider, "eider_transactions_left_alone_total", 1);
  expect(await metric(eider, "eider_transactions")).toBe(1);
  call.cancel();
  await untilMetric(eider, "eider_transactions_left_alone_total", 2);
});

test("a result that its reader does not take is ended, with the statement behind it", async () => {
  await using eider = await startEider({ settings: { statementIdleSeconds: 1 } });
  using client = clientOf(eider);
  const ticket = ticketOf(await client.query(ENDLESS));
  const call = client.open("DoGet");
  const failed = new Promise<ServiceError>((resolve) => call.once("error", resolve));
  const first = new Promise((resolve) => call.once("data", resolve));
  call.write(Flight.Ticket.encode({ ticket }));
  await first;
  call.pause();
  await untilMetric(eider, "eider_results_left_alone_total", 1);
  await untilMetric(eider, "eider_queries_running", 0);
  call.on("data", () => undefined).resume();
  expect((await failed).code).toBe(RESOURCE_EXHAUSTED);
  expect(await singleValue(client, "SELECT 1 AS a")).toBe(1);
});
