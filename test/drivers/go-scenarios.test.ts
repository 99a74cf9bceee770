import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Authenticator } from "../../src/access/authenticator.ts";
import { openPrincipal } from "../../src/access/principal.ts";
import { EiderError } from "../../src/errors.ts";
import { ArrowGoSession } from "../support/arrow-go-session.ts";
import { buildGoCommand, folderOfGoPackage, hasGo } from "../support/go.ts";
import { ScenarioServer } from "../support/scenario-server.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The client of Arrow's integration tests, as arrow-go builds it, against the protocol layer: every scenario it knows. */

const CLIENT = "github.com/apache/arrow-go/v18/arrow/internal/flight_integration/cmd/arrow-flight-integration-client";

const PASSING = [
  "auth:basic_proto",
  "ordered",
  "expiration_time:do_get",
  "expiration_time:cancel_flight_info",
  "expiration_time:renew_flight_endpoint",
  "poll_flight_info",
  "session_options",
  "flight_sql",
  "flight_sql:ingestion",
];

/** Scenarios that want of a server what Eider does not do, and how far they get. */
const ENDING: ReadonlyArray<{ readonly scenario: string; readonly because: string; readonly says: RegExp }> = [
  {
    scenario: "middleware",
    because: "the server would have to echo a header",
    says: /expected to receive header 'x-middleware: expected value', but instead got *$/m,
  },
  {
    scenario: "expiration_time:list_actions",
    because: "it wants these two actions and no others",
    says: /Actual:\s+\[.*\bCancelFlightInfo .*\bRenewFlightEndpoint\b/,
  },
  {
    scenario: "location:reuse_connection",
    because: "no location means the same, and older clients know no other way to say it",
    says: /expected 1 location, got 0/,
  },
  {
    scenario: "app_metadata_flight_info_endpoint",
    because: "the server would have to echo the command as app_metadata",
    says: /invalid flight info app_metadata: , expected: foobar/,
  },
  {
    scenario: "flight_sql:extension",
    because: "it wants Substrait plans and savepoints, and a server that says so; DuckDB has neither",
    says: /did not match/,
  },
  {
    scenario: "",
    because: "a batch's app_metadata would have to come back; here it tells what was stored",
    says: /expected metadata value: 0, but got: \{"rows":1,"seq":1\}/,
  },
];

/** A file of Arrow's integration tests: one batch of one row. */
const ONE_ROW = {
  schema: {
    fields: [
      {
        name: "id",
        type: { name: "int", isSigned: true, bitWidth: 64 },
        nullable: true,
        children: [],
      },
    ],
  },
  batches: [{ count: 1, columns: [{ name: "id", count: 1, VALIDITY: [1], DATA: ["1"] }] }],
};

const arrowFlight: Authenticator = {
  isOn: true,
  async authenticate(credentials) {
    const isKnown =
      credentials.kind === "basic" && credentials.username === "arrow" && credentials.password === "flight";
    if (isKnown) return openPrincipal(credentials.username);
    throw new EiderError("unauthenticated", "this server knows the user arrow alone");
  },
};

describe.skipIf(!hasGo())("arrow-go's integration client", () => {
  const folder = tempDir("go");
  const client = join(folder.path, "client");
  const data = join(folder.path, "one-row.json");

  beforeAll(async () => {
    writeFileSync(data, JSON.stringify(ONE_ROW));
    await buildGoCommand(CLIENT, client);
  });

  afterAll(() => folder[Symbol.asyncDispose]());

  /** What it wrote to standard error when it failed. */
  async function run(scenario: string): Promise<string | undefined> {
    await using server = await ScenarioServer.open(
      { pollSeconds: 0.1 },
      { SessionType: ArrowGoSession, ...(scenario.startsWith("auth:") ? { authenticator: arrowFlight } : {}) },
    );
    const args = ["-host=127.0.0.1", `-port=${server.flight.port}`, `-scenario=${scenario}`, `-path=${data}`];
    return await promisify(execFile)(client, args).then(
      () => undefined,
      (error: { stderr: string }) => error.stderr,
    );
  }

  test("no scenario is left out", async () => {
    const folder = join(await folderOfGoPackage(CLIENT), "..", "..");
    const [table = ""] = /^func GetScenario\(.*?^}/ms.exec(readFileSync(join(folder, "scenario.go"), "utf8")) ?? [];
    const known = [...table.matchAll(/^\tcase "(.*)":$/gm)].map(([, scenario]) => scenario);
    expect(known.sort()).toEqual([...PASSING, ...ENDING.map(({ scenario }) => scenario)].sort());
  });

  test.concurrent.each(PASSING)("%s", async (scenario) => {
    expect(await run(scenario)).toBeUndefined();
  });

  test.concurrent.each(ENDING)("$scenario ends because $because", async ({ scenario, says }) => {
    expect(await run(scenario)).toMatch(says);
  });

  test("an ingest's options arrive", () => {
    expect(ArrowGoSession.ingests.at(-1)).toEqual({
      catalog: "test_catalog",
      schema: "test_schema",
      table: "test_table",
      temporary: true,
      transaction: "123",
      ifNotExists: "create",
      ifExists: "replace",
      options: { key1: "val1", key2: "val2" },
    });
  });
});
