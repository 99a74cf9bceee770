import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CallError, FlightTestClient } from "../support/flight-client.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { writeUsers } from "../support/users.ts";
import { CATALOG_ROWS } from "./catalog-rows.ts";

/** With authentication DuckDB is locked: whatever the catalog, rows still get into the lake, also after a start anew. */

async function failureOf(client: FlightTestClient, sql: string): Promise<string> {
  try {
    await client.run(sql);
    return "it was done";
  } catch (error) {
    if (error instanceof CallError) return error.message;
    throw error;
  }
}

/** Fails when the condition does not hold. */
const expectSql = (condition: string, from: string) =>
  `SELECT CASE WHEN ${condition} THEN 1 ELSE error('not so: ${condition}') END FROM ${from}`;

describe.each(CATALOG_ROWS)("$name", ({ missing, make }) => {
  test.skipIf(missing !== undefined)("takes rows, flushes them, and shows no secret", async () => {
    const folder = tempDir("locked");
    const resources: AsyncDisposable[] = [folder];
    onTestFinished(async () => {
      for (const resource of resources.reverse()) await resource[Symbol.asyncDispose]();
    });
    const use = <T extends AsyncDisposable>(resource: T) => {
      resources.push(resource);
      return resource;
    };
    // The catalog beside the data folder, so that its own file must be allowed.
    const beside = join(folder.path, "catalog");
    mkdirSync(beside);
    const { settings } = await make(beside, use);
    const { path: usersFile, tokens } = writeUsers(folder.path, { root: { role: "admin" }, ann: { role: "write" } });
    const dataDir = join(folder.path, "data");
    for (const [round, name] of ["first", "second"].entries()) {
      const eider = use(await startEider({ settings: { ...settings, usersFile, dataDir, walAutocheckpoint: "1KB" } }));
      const client = (token: string) =>
        new FlightTestClient(Number(new URL(eider.flightUri).port), { authorization: `Bearer ${token}` });
      const [ann, root] = [client(tokens.ann), client(tokens.root)];
      await ann.run(`CREATE TABLE ${name} (id BIGINT PRIMARY KEY, text VARCHAR)`);
      for (let i = 0; i < 3; i++) {
        await ann.run(`INSERT INTO duckling_queue.${name} SELECT i, 'row ' || i FROM range(${i * 10}, 100) r(i)`);
        await ann.run("CALL duckling_queue_flush()");
      }
      await ann.run(expectSql("count(*) = 100 AND max(id) = 99", name));
      await ann.run(`UPDATE ${name} SET text = 'changed' WHERE id < 10`);
      await ann.run(expectSql("count(*) = 10", `${name} WHERE text = 'changed'`));
      if (round === 1) await ann.run(expectSql("count(*) = 100", "first"));
      await root.run("SELECT * FROM __ducklake_metadata_lake.ducklake_snapshot");
      expect(await failureOf(root, "ATTACH ':memory:' AS m")).toMatch(/not allowed/);
      expect(await failureOf(ann, "SELECT path FROM duckdb_databases()")).toMatch(/needs the role admin/);
      for (const each of [ann, root]) each[Symbol.dispose]();
      expect(await eider.stop()).toEqual({ code: 0, signal: null });
      if (settings.catalogPassword !== undefined) expect(eider.logs).not.toContain(settings.catalogPassword);
      expect(eider.logs).not.toMatch(/"level":"(warn|error|fatal)"/);
    }
  });
});
