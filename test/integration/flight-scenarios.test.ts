import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../support/flight-client.ts";
import { runPython } from "../support/python.ts";
import { REPO } from "../support/repo.ts";
import { ScenarioServer } from "../support/scenario-server.ts";

/** Real clients against the protocol layer alone, on the scenario backend. */

const script = (name: string) => join(REPO, "test", "integration", "flight-scenarios", `${name}.py`);
const uriOf = (server: ScenarioServer) => `grpc://127.0.0.1:${server.flight.port}`;
const run = (name: string, ...args: string[]) =>
  runPython<string>(script(name), null, { args, env: { PYTHONPATH: join(REPO, "test", "support") } });

test.each(["adbc", "flight_client"])("%s", async (name) => {
  await using server = await ScenarioServer.open({ maxParameterBytes: 1_000_000 });
  expect(await run(name, uriOf(server))).toBe("done");
  expect(server.lines.filter((line) => line.level === "error")).toEqual([]);
  await until(() => server.backend.counts.openRows === 0);
});

test("an ingest whose client dies leaves nothing", async () => {
  await using server = await ScenarioServer.open();
  await expect(run("die", uriOf(server), "kill")).rejects.toThrow(/SIGKILL/);
  await until(() => server.backend.counts.openedIngests === 1 && server.backend.counts.ingestsAborted === 1);
  expect(await run("die", uriOf(server), "raise")).not.toBe("ingested");
  await until(() => server.backend.counts.openedIngests === 2 && server.backend.counts.ingestsAborted === 2);
  await expect(server.client().query("SELECT * FROM half")).rejects.toThrow(/does not exist/);
});
