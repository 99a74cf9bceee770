import { once } from "node:events";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { makeAuthority, type Pair, signedBy, writePair } from "../support/certificates.ts";
import type { RunningEider } from "../support/start-eider.ts";
import { tempDir } from "../support/temp-dir.ts";
import { LakeRun } from "./lake-run.ts";
import { STORE_ROWS } from "./store-rows.ts";

async function openRun(scope: Scope) {
  const folder = scope.use(tempDir("copies"));
  const catalog = join(folder.path, "catalog.ducklake");
  const store = await STORE_ROWS.find(({ name }) => name === "S3, keys in the settings")?.make(
    folder.path,
    (resource) => scope.use(resource),
  );
  if (!store) throw new Error("there is no such store");
  const { settings, attach } = store;
  const out = join(folder.path, "out");
  await mkdir(out);
  const run = scope.use(
    new LakeRun({
      settings: { ...settings, catalog: `duckdb:${catalog}` },
      attach: { ...attach, catalog, options: [] },
    }),
  );
  return { run, out };
}

/** With a pair, by https. */
async function serveFolder(scope: Scope, folder: string, pair?: Pair): Promise<string> {
  const answerWithFile: RequestListener = async ({ url = "/", method }, answer) => {
    const bytes = await readFile(join(folder, basename(url)));
    answer.writeHead(200, { "content-length": bytes.length }).end(method === "HEAD" ? undefined : bytes);
  };
  const server = pair ? createTlsServer(pair, answerWithFile) : createServer(answerWithFile);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.defer(() => server.close());
  return `${pair ? "https://localhost" : "http://127.0.0.1"}:${(server.address() as AddressInfo).port}`;
}

test("COPY and read_* with a folder, S3, http and https, by every compression that DuckDB has for the format", async () => {
  await using scope = new Scope();
  const { run, out } = await openRun(scope);
  const authority = await makeAuthority("Test authority");
  const pair = await signedBy(authority, "localhost");
  const webs = [await serveFolder(scope, out), await serveFolder(scope, out, pair)];
  await run.live(async (eider) => {
    const sql = (text: string) => run.sql(eider, text);
    await sql(`SET GLOBAL ca_cert_file = '${writePair(out, "authority", authority).cert}'`);
    await sql("CREATE TABLE source AS SELECT i AS id, 'row ' || i AS v FROM range(1000) r(i)");
    const copies = [
      ["x.csv.gz", "", "read_csv"],
      ["x.csv.zst", "", "read_csv"],
      ["x.json.gz", "", "read_json"],
      ["snappy.parquet", "(COMPRESSION snappy)", "read_parquet"],
      ["zstd.parquet", "(COMPRESSION zstd)", "read_parquet"],
      ["lz4.parquet", "(COMPRESSION lz4)", "read_parquet"],
      ["gzip.parquet", "(COMPRESSION gzip)", "read_parquet"],
    ] as const;
    for (const [name, options, read] of copies) {
      for (const place of [out, "s3://lake/exports"]) {
        await sql(`COPY source TO '${place}/${name}' ${options}`);
        const [found] = await sql(
          `SELECT count(*) AS n, sum(id)::BIGINT AS ids, max(v) AS v FROM ${read}('${place}/${name}')`,
        );
        expect(found, `${place}/${name}`).toEqual({ n: 1000, ids: 499_500, v: "row 999" });
      }
      for (const web of webs) {
        const [found] = await sql(`SELECT count(*) AS n FROM ${read}('${web}/${name}')`);
        expect(found, `${web}/${name}`).toEqual({ n: 1000 });
      }
    }
    // Of text DuckDB reads and writes gzip and zstd.
    await expect(sql(`COPY source TO '${out}/x.csv.lz4' (COMPRESSION lz4)`)).rejects.toThrow(/lz4/i);
    await expect(sql(`FROM read_csv('${out}/x.csv.gz', compression = 'lz4')`)).rejects.toThrow(/lz4/i);
    await sql("CREATE TABLE copied (id BIGINT, v VARCHAR)");
    await sql("COPY copied FROM 's3://lake/exports/zstd.parquet'");
    await sql(
      "INSERT INTO duckling_queue.copied SELECT id + 1000, v FROM read_parquet('s3://lake/exports/lz4.parquet')",
    );
    await sql("CALL duckling_queue_flush()");
    expect(await sql("SELECT count(DISTINCT id) AS n FROM copied")).toEqual([{ n: 2000 }]);
    await expect(sql("FROM read_csv('s3://lake/exports/missing.csv')")).rejects.toThrow(/missing\.csv/);
  });
});

test("a long COPY is aborted, and leaves no file and no row behind", async () => {
  await using scope = new Scope();
  const { run, out } = await openRun(scope);
  await run.live(async (eider) => {
    await run.sql(eider, "CREATE TABLE target (i BIGINT, m VARCHAR)");
    const endless = "SELECT i, md5(i::VARCHAR) AS m FROM range(100_000_000_000) r(i)";
    for (const statement of [
      `COPY (${endless}) TO '${out}/x.parquet'`,
      `COPY (${endless}) TO '${out}/x.csv.gz'`,
      `INSERT INTO target ${endless}`,
    ]) {
      const ended = expect(run.sql(eider, statement), statement).rejects.toThrow(/cancel|interrupt/i);
      await cancelRunning(eider);
      await ended;
    }
    expect(await readdir(out)).toEqual([]);
    expect(await run.sql(eider, "SELECT count(*) AS n FROM target")).toEqual([{ n: 0 }]);
  });
});

/** Cancels the statement that runs, once DuckDB has begun with it. */
async function cancelRunning({ httpUrl }: RunningEider): Promise<void> {
  for (;;) {
    const status = (await (await fetch(`${httpUrl}/status.json`)).json()) as {
      queries: { running: ReadonlyArray<{ id: string; sql: string }> };
    };
    const long = status.queries.running.find(({ sql }) => sql.includes("range("));
    if (long && (await fetch(`${httpUrl}/query/${long.id}`, { method: "DELETE" })).ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
