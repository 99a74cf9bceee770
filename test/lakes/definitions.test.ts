import { join } from "node:path";
import { tableFromArrays } from "apache-arrow";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { connect, type EiderClient } from "../../src/index.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { startEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { postgresPlace } from "./catalog-rows.ts";

const missing = postgresPrograms() ? "" : " (PostgreSQL is not installed)";

/** All that several nodes may ask for at once, and that none may be refused; `n` makes names new. */
const IDEMPOTENT: ReadonlyArray<(client: EiderClient, n: number) => Promise<unknown>> = [
  (client, n) => client.execute(`CREATE TABLE IF NOT EXISTS plain_${n} (id BIGINT, v VARCHAR)`),
  (client, n) => client.execute(`CREATE TABLE IF NOT EXISTS keyed_${n} (id BIGINT PRIMARY KEY, v VARCHAR)`),
  (client, n) => client.execute(`CREATE SCHEMA IF NOT EXISTS schema_${n}`),
  (client, n) => client.execute(`CREATE OR REPLACE VIEW view_${n} AS SELECT 1 AS one`),
  (client, n) => client.ingest(`made_${n}`, tableFromArrays({ id: [1, 2, 3] }).batches, { mode: "create_append" }),
  (client, n) => client.put(`put_${n}`, tableFromArrays({ id: [1, 2, 3] }).batches),
  (client, n) => client.execute(`DROP TABLE IF EXISTS plain_${n}`),
];

test.skipIf(missing !== "")(
  `two nodes that make the same at once both have it; of two plain CREATEs one is told why not${missing}`,
  async () => {
    await using scope = new Scope();
    const folder = scope.use(tempDir("definitions"));
    const server = scope.use(await startPostgres());
    server.createDatabase("lake");
    const settings = { ...postgresPlace(server, "lake").settings, dataPath: join(folder.path, "lake") };
    const nodes = await Promise.all(
      ["a", "b"].map(async (name) => scope.use(await startEider({ dataDir: join(folder.path, name), settings }))),
    );
    const clients = await Promise.all(nodes.map(async ({ flightUri }) => scope.use(await connect(flightUri))));
    const conflicts = async () => {
      const texts = await Promise.all(nodes.map(async ({ httpUrl }) => (await fetch(`${httpUrl}/metrics`)).text()));
      const rows = texts.flatMap((text) => [
        ...text.matchAll(/^eider_commit_conflicts_total\{committer="ensure",class="\w+"\} (\d+)$/gm),
      ]);
      return rows.reduce((sum, [, count]) => sum + Number(count), 0);
    };

    // As long as it takes for them to have met.
    const before = await conflicts();
    let n = 0;
    while (n < 4 || (await conflicts()) < before + 3) {
      n++;
      for (const make of IDEMPOTENT) await Promise.all(clients.map((client) => make(client, n)));
    }
    for (const client of clients) await client.flush();
    const count = async (sql: string) => {
      const rows = (await (await (clients[0] as EiderClient).query(sql)).toTable()).toArray();
      return Number(rows[0]?.n);
    };
    for (let i = 1; i <= n; i++) {
      expect(await count(`SELECT count(*) AS n FROM made_${i}`)).toBe(6);
      expect(await count(`SELECT count(*) AS n FROM put_${i}`)).toBe(6);
      expect(await count(`SELECT count(*) AS n FROM keyed_${i}`)).toBe(0);
    }

    const outcomes: Array<PromiseSettledResult<unknown>> = [];
    while (!outcomes.some((outcome) => /ABORTED/.test(statusOf(outcome)))) {
      n++;
      const made = await Promise.allSettled(clients.map((client) => client.execute(`CREATE TABLE once_${n} (i INT)`)));
      expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      outcomes.push(...made);
    }
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    for (const { reason } of refused) {
      if (reason.status === "ABORTED")
        expect(reason.message).toMatch(/nothing of the transaction was committed; look at/);
      else expect(reason.message).toMatch(/already exists/);
    }
  },
);

function statusOf(outcome: PromiseSettledResult<unknown>): string {
  return outcome.status === "rejected" ? String(outcome.reason.status) : "";
}
