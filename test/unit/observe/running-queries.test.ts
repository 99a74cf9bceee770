import { describe, expect, test } from "vitest";
import { openPrincipal, type Principal, type Role } from "../../../src/access/principal.ts";
import { EiderError } from "../../../src/errors.ts";
import { createMetrics } from "../../../src/observe/metrics.ts";
import { RunningQueries } from "../../../src/observe/running-queries.ts";

const anybody = openPrincipal("anybody");

function user(name: string, role: Role): Principal {
  return { name, key: name, grants: { everywhere: role, schemas: new Map() }, isCurrent: () => true };
}

function open() {
  const metrics = createMetrics();
  const queries = new RunningQueries(metrics, () => 5);
  const results = async () =>
    Object.fromEntries((await metrics.queries.get()).values.map(({ labels, value }) => [labels.result, value]));
  return { queries, results };
}

const run = (id: string, principal = anybody, sql = "SELECT 1") =>
  ({ id, sql, via: "http", principal, cancel: () => undefined }) as const;

describe("RunningQueries", () => {
  test("lists what runs, and how the last ones ended; an end counts once", async () => {
    const { queries, results } = open();
    const end = queries.started(run("a", anybody, "CREATE SECRET s (SECRET 'hidden')"));
    queries.started(run("b"));
    expect(queries.running).toMatchObject([
      { id: "a", sql: "CREATE SECRET s (SECRET ***)", via: "http", user: "anybody", startedMs: 5 },
      { id: "b" },
    ]);
    end("error", new EiderError("sql_invalid", "no such thing"));
    end("ok");
    expect(queries.running.map(({ id }) => id)).toEqual(["b"]);
    expect(queries.recent).toMatchObject([{ id: "a", result: "sql_invalid", error: "no such thing" }]);
    expect(await results()).toEqual({ sql_invalid: 1 });
  });

  test("a statement is cancelled by its caller and by administrators alone", () => {
    const { queries } = open();
    let cancelled = 0;
    const cancel = () => {
      cancelled++;
    };
    queries.started({ ...run("a", user("ada", "read")), cancel });
    expect(queries.cancel("missing", user("root", "admin"))).toBe(false);
    expect(queries.cancel("a", user("bob", "write"))).toBe(false);
    expect(cancelled).toBe(0);
    expect(queries.cancel("a", user("ada", "read"))).toBe(true);
    expect(queries.cancel("a", user("root", "admin"))).toBe(true);
    expect(queries.cancel("a", anybody)).toBe(true);
    expect(cancelled).toBe(3);
  });

  test("long statements are cut off", () => {
    const { queries } = open();
    queries.started(run("a", anybody, "x".repeat(5000)));
    expect(queries.running[0]?.sql).toHaveLength(2001);
  });

  test("half of a surrogate pair, by a client or by cutting off, leaves the list readable as UTF-8", () => {
    const { queries } = open();
    queries.started(run("cut", anybody, `${"x".repeat(1999)}\u{1f986}\u{1f986}`));
    const end = queries.started(run("sent", anybody, "SELECT '\ud800'"));
    end("error", new EiderError("sql_invalid", "no \ud800"));
    expect(JSON.stringify([queries.running, queries.recent])).not.toMatch(/\\ud[89a-f]/);
    expect(queries.recent).toMatchObject([{ sql: "SELECT '\ufffd'", error: "no \ufffd" }]);
  });
});
