import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { FlightTestClient } from "../support/flight-client.ts";
import { type RunningEider, startEider } from "../support/start-eider.ts";

const RESOURCE_EXHAUSTED = 8;

const clientOf = (eider: RunningEider) => new FlightTestClient(Number(new URL(eider.flightUri).port));

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
