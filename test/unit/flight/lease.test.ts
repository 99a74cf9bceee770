import { expect, test } from "vitest";
import { openPrincipal } from "../../../src/access/principal.ts";
import { LeaseTable } from "../../../src/flight/lease.ts";
import { SessionRecord } from "../../../src/flight/session.ts";
import { ScenarioBackend } from "../../support/scenario-backend.ts";

async function open(limit = 10) {
  const backend = await ScenarioBackend.open();
  const released: string[] = [];
  let nowMs = 0;
  const table = new LeaseTable<string>({
    kind: "ticket",
    limit,
    limitName: "max_tickets",
    advice: "fetch some",
    ttlSeconds: 10,
    now: () => nowMs,
    release: async (value) => void released.push(value),
  });
  const owner = (name: string) =>
    new SessionRecord(backend, openPrincipal(name), { userAgent: "", widenUnsigned: false, schema: undefined }, 0);
  return { table, released, owner, pass: (seconds: number) => (nowMs += seconds * 1000) };
}

test("a lease is found by its principal only, and taken once", async () => {
  const { table, owner, released } = await open();
  const { id } = table.add(owner("joe"), "result");
  expect(table.find(id, "eve")).toBeUndefined();
  expect(table.take(id, "joe").value).toBe("result");
  expect(() => table.get(id, "joe")).toThrow(/no such ticket/);
  expect(released).toEqual([]);
});

test("what has expired is not found and is released; renewed, it lives on", async () => {
  const { table, owner, released, pass } = await open();
  const joe = owner("joe");
  const [kept, lost] = [table.add(joe, "kept"), table.add(joe, "lost")];
  pass(6);
  table.renew(kept);
  pass(6);
  expect(table.find(lost.id, "joe")).toBeUndefined();
  await table.expire();
  expect(released).toEqual(["lost"]);
  expect(table.get(kept.id, "joe").value).toBe("kept");
});

test("a session's leases go with it, others stay; closing twice releases once", async () => {
  const { table, owner, released } = await open();
  const [joe, ann] = [owner("joe"), owner("ann")];
  const lease = table.add(joe, "a");
  table.add(ann, "b");
  await table.closeOwned(joe);
  await table.close(lease);
  expect(released).toEqual(["a"]);
});

test("the limit is named", async () => {
  const { table, owner } = await open(1);
  table.add(owner("joe"), "a");
  expect(() => table.add(owner("joe"), "b")).toThrow(
    /there are 1 tickets, as many as max_tickets \(1\) allows: fetch some/,
  );
});
