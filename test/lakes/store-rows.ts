import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { Database } from "../../src/duck/database.ts";
import { startAzure } from "../support/azure-server.ts";
import { extensionPath } from "../support/extension-path.ts";
import { S3_KEY_ID, S3_SECRET, startS3 } from "../support/s3-server.ts";
import type { LakePlace } from "./lake-run.ts";

/** One object store: what Eider is told, and what DuckDB itself. */
export interface StorePlace {
  readonly settings: Partial<Config>;
  readonly env?: Readonly<Record<string, string>>;
  readonly attach: Pick<LakePlace["attach"], "extensions" | "setup" | "dataPath">;
}

export interface StoreTestRow {
  readonly name: string;
  readonly make: (folder: string, use: <T extends AsyncDisposable>(resource: T) => T) => Promise<StorePlace>;
}

async function makeS3(use: <T extends AsyncDisposable>(resource: T) => T) {
  const server = use(await startS3());
  await server.createBucket("lake");
  const dataPath = "s3://lake/some folder/";
  const settings: Partial<Config> = {
    dataPath,
    storeEndpoint: server.endpoint,
    storeUrlStyle: "path",
    storeUseSsl: false,
    storeRegion: "us-east-1",
  };
  const secret = `KEY_ID '${S3_KEY_ID}', SECRET '${S3_SECRET}', ENDPOINT '${server.endpoint}', URL_STYLE 'path', USE_SSL false`;
  return {
    settings,
    attach: { extensions: ["httpfs"], setup: [`CREATE SECRET judge_store (TYPE s3, ${secret})`], dataPath },
  };
}

export const STORE_ROWS: readonly StoreTestRow[] = [
  {
    name: "a folder",
    async make(folder) {
      const dataPath = join(folder, "files/");
      return { settings: { dataPath }, attach: { extensions: [], setup: [], dataPath } };
    },
  },
  {
    name: "S3, keys in the settings",
    async make(_, use) {
      const { settings, attach } = await makeS3(use);
      return { settings: { ...settings, storeKeyId: S3_KEY_ID, storeSecret: S3_SECRET }, attach };
    },
  },
  {
    name: "S3, keys in the environment",
    async make(_, use) {
      const env = { AWS_ACCESS_KEY_ID: S3_KEY_ID, AWS_SECRET_ACCESS_KEY: S3_SECRET, AWS_SESSION_TOKEN: "a token" };
      return { ...(await makeS3(use)), env };
    },
  },
  {
    name: "GCS by its S3 interface, keys in a secret that DuckDB keeps",
    async make(folder, use) {
      const { settings } = await makeS3(use);
      const dataPath = "gs://lake/files/";
      const secret = `TYPE gcs, KEY_ID '${S3_KEY_ID}', SECRET '${S3_SECRET}', ENDPOINT '${settings.storeEndpoint}', URL_STYLE 'path', USE_SSL false`;
      await using database = await Database.open({ secret_directory: join(folder, ".duckdb", "stored_secrets") });
      using connection = await database.connect();
      await connection.run(`LOAD '${extensionPath("httpfs")}'; CREATE PERSISTENT SECRET kept (${secret})`);
      return {
        settings: { dataPath },
        env: { HOME: folder },
        attach: { extensions: ["httpfs"], setup: [`CREATE SECRET judge_store (${secret})`], dataPath },
      };
    },
  },
  {
    name: "Azure",
    async make(_, use) {
      const server = use(await startAzure());
      await server.createContainer("lake");
      const dataPath = "az://lake/some folder/";
      const secret = `CREATE SECRET judge_store (TYPE azure, CONNECTION_STRING '${server.connection}')`;
      return {
        settings: { dataPath, storeConnection: server.connection },
        attach: { extensions: ["azure"], setup: [secret], dataPath },
      };
    },
  },
];
