import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { CallError, FlightTestClient } from "../support/flight-client.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { CATALOG_ROWS } from "./catalog-rows.ts";

const NODES = 2;
const ROUNDS = 40;
const ROWS = 1000;
const CONFLICT = /conflict|aborted|deleted from it|run it again/i;

/** 1 when the row was deleted, 0 when another was faster. */
async function deleteRow(client: FlightTestClient, id: number): Promise<number> {
  try {
    await client.run(`DELETE FROM fewer WHERE id = ${id}`);
    return 1;
  } catch (error) {
    if (!(error instanceof CallError) || !CONFLICT.test(error.message)) throw error;
    return 0;
  }
}

/** A Quack catalog has no lock that ends with its holder. */
const SHARED = CATALOG_ROWS.filter(({ name }) => name === "postgres" || name === "sqlite");

describe.each(SHARED)("$name", ({ missing, make }) => {
  test.skipIf(missing !== undefined)("servers that delete from one file at once do not double its rows", async () => {
    await using scope = new Scope();
    const folder = scope.use(tempDir("deletions"));
    const { settings } = await make(folder.path, (resource) => scope.use(resource));
    const dataPath = join(folder.path, "files");
    const clients: FlightTestClient[] = [];
    for (let node = 0; node < NODES; node++) {
      const dataDir = join(folder.path, `node-${node}`);
      const eider = scope.use(await startEider({ dataDir, settings: { ...settings, dataPath } }));
      clients.push(new FlightTestClient(Number(new URL(eider.flightUri).port)));
    }
    const [first] = clients;
    if (!first) throw new Error("no server");
    await first.run(`CREATE TABLE fewer AS SELECT range AS id FROM range(${ROWS})`);
    // DuckLake sees the conflict of two that delete from a file for the first time.
    await first.run(`DELETE FROM fewer WHERE id = ${ROWS - 1}`);
    let deleted = 1;
    for (let round = 0; round < ROUNDS; round++) {
      const counts = await Promise.all(clients.map((client, node) => deleteRow(client, round * NODES + node)));
      for (const count of counts) deleted += count;
    }
    const left = ROWS - deleted;
    const isRight = `count(*) = ${left} AND count(DISTINCT id) = ${left}`;
    await first.run(
      `SELECT CASE WHEN ${isRight} THEN 1 ELSE error('rows: ' || count(id) || ', different: ' || count(DISTINCT id) || ', expected: ${left}') END FROM fewer`,
    );
    expect(deleted).toBeGreaterThan(1);
  });
});
